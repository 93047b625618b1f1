//! Floats as whole numbers: rounded towards zero, and as near as can be where they are beyond all.

/// Rounds a number that is not below 0: bytes, milliseconds that passed, how many.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from float saturates, and what is below 0 becomes 0"
)]
pub(super) fn whole(number: f64) -> u64 {
    number as u64
}

/// Rounds a span of time in milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from float saturates"
)]
pub(super) fn whole_ms(ms: f64) -> i64 {
    ms as i64
}
