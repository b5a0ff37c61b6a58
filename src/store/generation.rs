use crate::clock::Timestamp;
use crate::crypto;

/// Higher than the one before, and unlike any that a removed record had: time and chance go into it.
pub(crate) fn next_generation(now: Timestamp, after: Option<u64>) -> u64 {
    let mut chance = [0; 2];
    // A generation by time alone is nearly as good, and new tokens must not be lost for it.
    let _ = crypto::random(&mut chance);
    let chance = u64::from(u16::from_be_bytes(chance));
    let by_time = u64::try_from(now.unix_millis()).unwrap_or(0) << 16 | chance;
    // Two processes whose clocks are behind choose different ones, too.
    after.map_or(by_time, |after| by_time.max(after.saturating_add(1 + chance)))
}
