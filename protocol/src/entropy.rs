//! How many bytes a run of bytes should take once deflated, and whether it is worth deflating at all.
//! Whole numbers only, so that every machine chooses alike and sealing stays deterministic.
//! Used by `integers` and `planes`.

/// Counts of byte values.
pub(crate) struct Histogram {
    counts: [u32; 256],
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Histogram { counts: [0; 256], total: 0 }
    }

    pub(crate) fn add(&mut self, byte: u8) {
        self.counts[usize::from(byte)] += 1;
        self.total += 1;
    }

    /// Shannon's bound for an order-0 coder, in bytes.
    pub(crate) fn coded_bytes(&self) -> u64 {
        let whole = log2_scaled(self.total);
        let seen = self.counts.iter().map(|&count| u64::from(count)).filter(|&count| count > 0);
        let bits: u64 = seen.map(|count| count * (whole - log2_scaled(count))).sum();
        bits >> (FRACTION_BITS + 3)
    }

    /// Whether the bytes are spread like random ones: then the sum of squared counts is near its least.
    pub(crate) fn is_noise(&self) -> bool {
        let squares: u64 = self.counts.iter().map(|&count| u64::from(count) * u64::from(count)).sum();
        let least = self.total + self.total * self.total / 256;
        squares * 16 <= least * 17
    }
}

const FRACTION_BITS: u32 = 8;

/// log2 in 1/256ths, straight between the powers of two; 0 for 0.
fn log2_scaled(number: u64) -> u64 {
    let Some(whole) = number.checked_ilog2() else { return 0 };
    let beyond = number - (1 << whole);
    let fraction = (u128::from(beyond) << FRACTION_BITS) >> whole;
    (u64::from(whole) << FRACTION_BITS) + fraction as u64
}
