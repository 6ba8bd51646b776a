//! Chance that is the same for the same seed.

/// A small generator (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d);
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// From 0 to 1, without 1.
    pub(crate) fn draw(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        self.draw().mul_add(high - low, low)
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.draw() < share
    }

    /// A time of this mean whose standard deviation is `cv` of it: log-normal, as service times are.
    pub(crate) fn around(&mut self, mean: f64, cv: f64) -> f64 {
        if cv <= 0.0 || mean <= 0.0 {
            return mean;
        }
        let sigma2 = cv.mul_add(cv, 1.0).ln();
        // Twelve uniform numbers are near enough to a normal one, and their tail has an end.
        let normal = (0..12).map(|_| self.draw()).sum::<f64>() - 6.0;
        mean * normal.mul_add(sigma2.sqrt(), -sigma2 / 2.0).exp()
    }
}
