//! Random numbers by number: the one for a row is found without making those before it.
//!
//! This is wyrand (Wang Yi, wyhash 4.2), a counter that is hashed, so that the generator of row `n` is the counter's start plus `n` steps.

const STEP: u64 = 0x2d35_8dcc_aa6c_78a5;
const SALT: u64 = 0x8bb8_4b93_962e_acc9;

/// Hashes the counter.
#[allow(clippy::cast_possible_truncation, reason = "both halves of the product are used")]
#[inline]
pub(crate) fn mix(counter: u64) -> u64 {
    let product = u128::from(counter) * u128::from(counter ^ SALT);
    product as u64 ^ (product >> 64) as u64
}

/// The `n`th number of the sequence that `seed` starts.
#[inline]
pub(crate) fn draw(seed: u64, n: u64) -> u64 {
    mix(seed.wrapping_add(n.wrapping_add(1).wrapping_mul(STEP)))
}

/// A number from 0 up to, not including, `span`, from a random one; with `span` 0, the number itself. The deviation from an even
/// distribution is at most `span` in 2^64.
#[allow(clippy::cast_possible_truncation, reason = "the upper half of a product of two 64 bit numbers has 64 bits")]
#[inline]
pub(crate) fn below(random: u64, span: u64) -> u64 {
    if span == 0 { random } else { ((u128::from(random) * u128::from(span)) >> 64) as u64 }
}

/// A number from 0 up to, not including, 1, from a random one.
#[inline]
pub(crate) fn fraction(random: u64) -> f64 {
    (random >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_wyrand() {
        let mut reference = fastrand::Rng::with_seed(42);
        for n in 0..100 {
            assert_eq!(draw(42, n), reference.u64(..));
        }
    }

    #[test]
    fn spans_are_filled_to_their_ends_and_not_beyond() {
        assert_eq!((below(0, 10), below(u64::MAX, 10), below(7, 0)), (0, 9, 7));
        assert!(fraction(u64::MAX) < 1.0 && fraction(0) == 0.0);
    }
}
