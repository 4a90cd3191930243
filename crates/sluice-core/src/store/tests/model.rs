use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use proptest::prelude::*;

use crate::store::model_check;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_sources_do_readers_get_the_truth_and_nothing_twice(
        operations in prop::collection::vec(any::<u8>(), 0..4_000),
    ) {
        let mut told = Vec::new();
        let run = || model_check::run(&operations, Instant::now(), &mut |line| told.push(line.to_string()));
        let fine = catch_unwind(AssertUnwindSafe(run)).is_ok();
        prop_assert!(fine, "after these steps:\n{}", told.join("\n"));
    }
}
