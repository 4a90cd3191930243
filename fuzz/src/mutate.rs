//! Mutations from a fixed start, for runs without a coverage-guided fuzzer.

/// Makes inputs out of others. The same start makes the same inputs.
#[derive(Clone, Debug)]
pub struct Mutator {
    state: u64,
}

/// Bytes at which formats like to break.
const EDGES: [u8; 10] = [0x00, 0x01, 0x3F, 0x40, 0x7F, 0x80, 0xBF, 0xC0, 0xFE, 0xFF];

impl Mutator {
    /// A mutator that begins at `start`.
    pub fn new(start: u64) -> Self {
        Self { state: start }
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        // Weyl sequence and a mixing step: SplitMix64.
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    /// An input made of `seeds`, of which there is at least one.
    pub fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(7) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, EDGES[self.below(EDGES.len())]),
                2 if at < bytes.len() => bytes[at] = EDGES[self.below(EDGES.len())],
                3 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                4 if at < bytes.len() => {
                    bytes.remove(at);
                }
                5 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
                _ => bytes.insert(at, self.below(256) as u8),
            }
        }
        bytes
    }
}
