//! The coverage-guided runner. `cargo xtask fuzz` builds and starts it; the variable
//! `SLUICE_FUZZ_TARGET` names the target.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use sluice_fuzz::Target;

fn target() -> &'static Target {
    static TARGET: OnceLock<&'static Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("SLUICE_FUZZ_TARGET").expect("SLUICE_FUZZ_TARGET names a target");
        Target::find(&name).expect("a target has this name")
    })
}

fuzz_target!(|data: &[u8]| (target().run)(data));
