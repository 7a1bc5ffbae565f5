//! Hashes of names in directory indexes (Linux `fs/ext4/hash.c`).

/// Whether bytes of names are unsigned where nobody wrote it down, as kernels take it since Linux 6.2.
pub(crate) const DEFAULT_UNSIGNED: bool = true;

/// Which function hashes names, and how their bytes are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HashVersion {
    function: Function,
    unsigned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Legacy,
    HalfMd4,
    Tea,
}

impl HashVersion {
    /// The version that an index names; `unsigned` is what the superblock says about signed versions. `None` for one
    /// that is not known.
    pub(crate) const fn new(version: u8, unsigned: bool) -> Option<Self> {
        let function = match version {
            0 | 3 => Function::Legacy,
            1 | 4 => Function::HalfMd4,
            2 | 5 => Function::Tea,
            _ => return None,
        };
        Some(Self { function, unsigned: unsigned || version >= 3 })
    }
}

/// The hash of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NameHash {
    /// What the index is ordered by; its lowest bit is 0, as that bit of an index entry has another meaning.
    pub(crate) major: u32,
    /// What tells names of the same major hash apart; 0 for the legacy function.
    pub(crate) minor: u32,
}

/// The hash of `name`.
pub(crate) fn hash(version: HashVersion, seed: [u32; 4], name: &[u8]) -> NameHash {
    const DEFAULT_SEED: [u32; 4] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];
    /// The hash that stands for the end of a directory.
    const END: u32 = 0x7FFF_FFFF << 1;
    let mut state = if seed == [0; 4] { DEFAULT_SEED } else { seed };
    let (major, minor) = match version.function {
        Function::Legacy => (legacy(name, version.unsigned), 0),
        Function::HalfMd4 => {
            for words in words::<8>(name, version.unsigned) {
                half_md4(&mut state, &words);
            }
            (state[1], state[2])
        }
        Function::Tea => {
            for words in words::<4>(name, version.unsigned) {
                tea(&mut state, &words);
            }
            (state[0], state[1])
        }
    };
    let major = match major & !1 {
        END => END.wrapping_sub(2),
        major => major,
    };
    NameHash { major, minor }
}

/// A byte of a name as a number: old kernels took `char`, which is signed on some machines.
fn number(byte: u8, unsigned: bool) -> u32 {
    if unsigned { u32::from(byte) } else { i32::from(byte.cast_signed()).cast_unsigned() }
}

/// The name cut into pieces of `N` words; each piece is filled up with the length of what was left of the name (Linux
/// `str2hashbuf_signed`, `str2hashbuf_unsigned`). A name that fills pieces exactly has no further one.
fn words<const N: usize>(name: &[u8], unsigned: bool) -> impl Iterator<Item = [u32; N]> {
    let piece_len = N.saturating_mul(4);
    name.chunks(piece_len.max(1)).enumerate().map(move |(index, piece)| {
        let left = name.len().saturating_sub(index.saturating_mul(piece_len));
        // A folded name can be longer than a byte can count: then the parts lie over each other.
        let length = u32::try_from(left).unwrap_or(u32::MAX);
        let padding = length | length << 8 | (length | length << 8) << 16;
        let mut words = [padding; N];
        for (word, bytes) in words.iter_mut().zip(piece.chunks(4)) {
            *word = bytes.iter().fold(padding, |word, byte| number(*byte, unsigned).wrapping_add(word << 8));
        }
        words
    })
}

fn legacy(name: &[u8], unsigned: bool) -> u32 {
    let (mut before, mut hash) = (0x37AB_E8F9_u32, 0x12A3_FE2D_u32);
    for byte in name {
        let mixed = hash ^ number(*byte, unsigned).wrapping_mul(7_152_373);
        let mut next = before.wrapping_add(mixed);
        if next & 0x8000_0000 != 0 {
            next = next.wrapping_sub(0x7FFF_FFFF);
        }
        (before, hash) = (hash, next);
    }
    hash << 1
}

fn tea(state: &mut [u32; 4], key: &[u32; 4]) {
    const DELTA: u32 = 0x9E37_79B9;
    let [a, b, c, d] = *key;
    let (mut b0, mut b1, mut sum) = (state[0], state[1], 0_u32);
    let mix = |value: u32, sum: u32, left: u32, right: u32| {
        (value << 4).wrapping_add(left) ^ value.wrapping_add(sum) ^ (value >> 5).wrapping_add(right)
    };
    for _ in 0..16 {
        sum = sum.wrapping_add(DELTA);
        b0 = b0.wrapping_add(mix(b1, sum, a, b));
        b1 = b1.wrapping_add(mix(b0, sum, c, d));
    }
    state[0] = state[0].wrapping_add(b0);
    state[1] = state[1].wrapping_add(b1);
}

/// The reduced MD4 of the kernel (`half_md4_transform`): three rounds of eight steps.
fn half_md4(state: &mut [u32; 4], input: &[u32; 8]) {
    const K2: u32 = 0x5A82_7999;
    const K3: u32 = 0x6ED9_EBA1;
    let [i0, i1, i2, i3, i4, i5, i6, i7] = *input;
    let choose = |x: u32, y: u32, z: u32| z ^ (x & (y ^ z));
    let majority = |x: u32, y: u32, z: u32| (x & y).wrapping_add((x ^ y) & z);
    let parity = |x: u32, y: u32, z: u32| x ^ y ^ z;
    let mut words = *state;
    rounds(&mut words, choose, [i0, i1, i2, i3, i4, i5, i6, i7], 0, [3, 7, 11, 19]);
    rounds(&mut words, majority, [i1, i3, i5, i7, i0, i2, i4, i6], K2, [3, 5, 9, 13]);
    rounds(&mut words, parity, [i3, i7, i2, i6, i1, i5, i0, i4], K3, [3, 9, 11, 15]);
    for (word, mixed) in state.iter_mut().zip(words) {
        *word = word.wrapping_add(mixed);
    }
}

/// Eight steps: the register that is changed goes a, d, c, b, a, d, c, b.
fn rounds(words: &mut [u32; 4], mix: impl Fn(u32, u32, u32) -> u32, input: [u32; 8], constant: u32, shifts: [u32; 4]) {
    for (input, shift) in input.into_iter().zip(shifts.into_iter().cycle()) {
        let [a, b, c, d] = *words;
        let sum = a.wrapping_add(mix(b, c, d)).wrapping_add(input).wrapping_add(constant);
        *words = [d, sum.rotate_left(shift), b, c];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `debugfs -R 'dx_hash -h VERSION NAME'` of e2fsprogs 1.47 gave these, with an empty seed.
    #[test]
    fn hashes_equal_those_of_e2fsprogs() {
        let zero_seed = |version, name: &str| hash(HashVersion::new(version, false).unwrap(), [0; 4], name.as_bytes());
        for (version, name, major, minor) in SAMPLES {
            let expected = NameHash { major: *major, minor: *minor };
            assert_eq!(zero_seed(*version, name), expected, "version {version}, {name}");
        }
    }

    const SAMPLES: &[(u8, &str, u32, u32)] = &[
        (0, "a", 0xE74B_53E2, 0),
        (0, "hello", 0x3225_2546, 0),
        (0, "file-000001-with-a-name-of-some-length.txt", 0x979A_BBF8, 0),
        (0, "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", 0xD4BA_FD6C, 0),
        (0, "grüße", 0xCC69_FABA, 0),
        (1, "a", 0xD5FA_7D7A, 0xACB4_8187),
        (1, "hello", 0x1746_DA32, 0x4200_13B5),
        (1, "file-000001-with-a-name-of-some-length.txt", 0xF40D_1C4C, 0x99EC_3F23),
        (1, "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", 0x7E81_EF8A, 0xEBEA_6CEB),
        (1, "grüße", 0xD75E_0AD8, 0xFEFC_474E),
        (2, "a", 0x6D0E_A4C0, 0xC189_22DF),
        (2, "hello", 0x6F5B_B1A8, 0x2319_17C2),
        (2, "file-000001-with-a-name-of-some-length.txt", 0x08C5_740C, 0xC2D7_5077),
        (2, "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", 0xD5D3_A968, 0x6284_BDE0),
        (2, "grüße", 0xC271_DF04, 0x8FB0_97D8),
    ];
}
