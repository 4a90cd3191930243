use super::*;

/// Mutated inputs a target gets here. Guided runs do the searching.
const MUTATIONS: usize = 20_000;
/// Those of a target whose every input is a whole run of the relay.
const RUNS: usize = 400;

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let parsed: Result<Vec<_>, usize> = target.seeds().collect();
    parsed.unwrap_or_else(|line| panic!("line {line} of seeds/{}.txt is no seed", target.name))
}

#[test]
fn every_target_keeps_its_promise_for_its_seeds() {
    for target in TARGETS {
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for seed in seeds {
            (target.run)(&seed);
        }
    }
}

#[test]
fn every_target_keeps_its_promise_for_mutations_of_its_seeds() {
    for target in TARGETS {
        let seeds = seeds(target);
        let mut mutator = Mutator::new(1);
        let count = if target.name == "shard" { RUNS } else { MUTATIONS };
        for _ in 0..count {
            (target.run)(&mutator.mutate(&seeds));
        }
    }
}

#[test]
fn seeds_are_hex_and_quoted_text_with_comments() {
    let parsed: Vec<_> = Seeds::new("# all\n\n0a 0B \"hi\" # two\nff0\n").collect();
    assert_eq!(parsed, [Ok(vec![0x0A, 0x0B, b'h', b'i']), Err(4)]);
}
