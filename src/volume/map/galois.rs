//! Arithmetic in GF(2^8), as RAID 6 uses it: addition is XOR, multiplication is that of polynomials modulo
//! x^8 + x^4 + x^3 + x^2 + 1, the generator is 2. Sources: Linux, lib/raid6; H. Peter Anvin, "The mathematics of RAID-6".
//!
//! Slices are multiplied bit by bit of the factor, many bytes at once: compilers make vector instructions of that, which
//! they cannot make of tables.

/// What is left of x^8 when it is divided by the polynomial.
const REMAINDER: u8 = 0x1d;
/// How many bytes are multiplied at once: they fit into the registers of a processor.
const LANES: usize = 64;

/// An element of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element(u8);

const fn doubled(byte: u8) -> u8 {
    (byte << 1) ^ (0_u8.wrapping_sub(byte >> 7) & REMAINDER)
}

impl Element {
    /// The generator to this power.
    pub(super) fn power(exponent: u8) -> Self {
        Self((0..exponent).fold(1, |element, _| doubled(element)))
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }

    pub(super) const fn times(self, other: Self) -> Self {
        let (mut product, mut double, mut rest) = (0, self.0, other.0);
        while rest > 0 {
            if rest & 1 == 1 {
                product ^= double;
            }
            double = doubled(double);
            rest >>= 1;
        }
        Self(product)
    }

    /// What gives 1 with it; nothing does with 0.
    pub(super) fn inverse(self) -> Option<Self> {
        // All others, of which there are 255, are 1 when raised to that power.
        (self.0 != 0).then(|| (0..254).fold(Self(1), |power, _| power.times(self)))
    }
}

/// Adds `bytes` to `sum`.
pub(super) fn add(sum: &mut [u8], bytes: &[u8]) {
    for (sum, byte) in sum.iter_mut().zip(bytes) {
        *sum ^= byte;
    }
}

/// Adds `bytes`, each multiplied by `factor`, to `sum`.
pub(super) fn add_times(sum: &mut [u8], bytes: &[u8], factor: Element) {
    let (sums, last_sums) = sum.as_chunks_mut::<LANES>();
    let (blocks, last_bytes) = bytes.as_chunks::<LANES>();
    for (sum, block) in sums.iter_mut().zip(blocks) {
        add(sum, &block_times(*block, factor));
    }
    for (sum, byte) in last_sums.iter_mut().zip(last_bytes) {
        *sum ^= Element(*byte).times(factor).0;
    }
}

/// Multiplies each of `bytes` by `factor`.
pub(super) fn multiply(bytes: &mut [u8], factor: Element) {
    let (blocks, last_bytes) = bytes.as_chunks_mut::<LANES>();
    for block in blocks {
        *block = block_times(*block, factor);
    }
    for byte in last_bytes {
        *byte = Element(*byte).times(factor).0;
    }
}

fn block_times(mut block: [u8; LANES], factor: Element) -> [u8; LANES] {
    let mut product = [0; LANES];
    let mut rest = factor.0;
    while rest > 0 {
        if rest & 1 == 1 {
            add(&mut product, &block);
        }
        for byte in &mut block {
            *byte = doubled(*byte);
        }
        rest >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiplication by definition: of polynomials, and then divided by 0x11d.
    fn product(a: u8, b: u8) -> u8 {
        let whole = (0..8).filter(|bit| b >> bit & 1 == 1).fold(0_u16, |sum, bit| sum ^ (u16::from(a) << bit));
        let rest = (8..16)
            .rev()
            .fold(whole, |rest, bit| if rest >> bit & 1 == 1 { rest ^ (0x11d << (bit - 8)) } else { rest });
        u8::try_from(rest).unwrap()
    }

    #[test]
    fn products_are_those_of_polynomials_modulo_0x11d() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(Element(a).times(Element(b)).0, product(a, b), "{a} * {b}");
            }
        }
    }

    #[test]
    fn everything_but_zero_has_an_inverse() {
        assert_eq!(Element(0).inverse(), None);
        for element in 1..=255 {
            assert_eq!(product(element, Element(element).inverse().unwrap().0), 1, "{element}");
        }
    }

    #[test]
    fn the_first_255_powers_of_the_generator_differ() {
        let mut powers: Vec<u8> = (0..255).map(|exponent| Element::power(exponent).0).collect();
        assert_eq!(powers[..10], [1, 2, 4, 8, 16, 32, 64, 128, 0x1d, 0x3a]);
        powers.sort_unstable();
        powers.dedup();
        assert_eq!(powers.len(), 255);
    }

    #[test]
    fn slices_of_any_length_are_multiplied_and_added_byte_by_byte() {
        for length in [0, 1, 63, 64, 65, 200, 512] {
            let bytes: Vec<u8> = (0..length).map(|n: usize| (n * 37 + n / 256) as u8).collect();
            for factor in [0, 1, 2, 0x1d, 0x80, 0xff] {
                let expected: Vec<u8> = bytes.iter().map(|byte| product(*byte, factor)).collect();
                let mut multiplied = bytes.clone();
                multiply(&mut multiplied, Element(factor));
                assert_eq!(multiplied, expected, "{length} {factor}");
                let mut sum = vec![0xa5; length];
                add_times(&mut sum, &bytes, Element(factor));
                add(&mut sum, &expected);
                assert_eq!(sum, vec![0xa5; length], "{length} {factor}");
            }
        }
    }
}
