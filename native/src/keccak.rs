//! Keccak-256 of many inputs at once: one in each lane of a vector register.
//!
//! Source: FIPS 202, section 3 (the permutation), with the padding of the original Keccak (a single 1 bit), as in Ethereum.

use alloy_primitives::{B256, keccak256};
use pulp::x86::{V3, V4};
use pulp::{Arch, NullaryFnOnce, Simd};

const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// How many bytes a permutation takes in.
const RATE: usize = 136;
const RATE_WORDS: usize = RATE / 8;

/// What Keccak needs of a vector of 64-bit words.
trait Lanes: Simd {
    fn xor3(self, a: Self::u64s, b: Self::u64s, c: Self::u64s) -> Self::u64s;
    /// `a ^ (!b & c)`
    fn chi(self, a: Self::u64s, b: Self::u64s, c: Self::u64s) -> Self::u64s;
    /// `L` is the shift to the left, `R` is 64 - `L`.
    fn rotate<const L: i32, const R: i32>(self, a: Self::u64s) -> Self::u64s;
}

impl Lanes for V4 {
    #[inline(always)]
    fn xor3(self, a: Self::u64s, b: Self::u64s, c: Self::u64s) -> Self::u64s {
        pulp::cast(self.avx512f._mm512_ternarylogic_epi64::<0x96>(pulp::cast(a), pulp::cast(b), pulp::cast(c)))
    }
    #[inline(always)]
    fn chi(self, a: Self::u64s, b: Self::u64s, c: Self::u64s) -> Self::u64s {
        pulp::cast(self.avx512f._mm512_ternarylogic_epi64::<0xd2>(pulp::cast(a), pulp::cast(b), pulp::cast(c)))
    }
    #[inline(always)]
    fn rotate<const L: i32, const R: i32>(self, a: Self::u64s) -> Self::u64s {
        pulp::cast(self.avx512f._mm512_rol_epi64::<L>(pulp::cast(a)))
    }
}

impl Lanes for V3 {
    #[inline(always)]
    fn xor3(self, a: Self::u64s, b: Self::u64s, c: Self::u64s) -> Self::u64s {
        self.xor_u64s(self.xor_u64s(a, b), c)
    }
    #[inline(always)]
    fn chi(self, a: Self::u64s, b: Self::u64s, c: Self::u64s) -> Self::u64s {
        self.xor_u64s(a, pulp::cast(self.avx2._mm256_andnot_si256(pulp::cast(b), pulp::cast(c))))
    }
    #[inline(always)]
    fn rotate<const L: i32, const R: i32>(self, a: Self::u64s) -> Self::u64s {
        let left = pulp::cast(self.avx2._mm256_slli_epi64::<L>(pulp::cast(a)));
        self.or_u64s(left, pulp::cast(self.avx2._mm256_srli_epi64::<R>(pulp::cast(a))))
    }
}

#[inline(always)]
fn permute<S: Lanes>(simd: S, s: &mut [S::u64s; 25]) {
    let rotated = |from: S::u64s, by: S::u64s| simd.xor_u64s(from, simd.rotate::<1, 63>(by));
    for round in ROUNDS {
        let column = |x: usize| simd.xor3(simd.xor3(s[x], s[x + 5], s[x + 10]), s[x + 15], s[x + 20]);
        let c = [column(0), column(1), column(2), column(3), column(4)];
        let d =
            [rotated(c[4], c[1]), rotated(c[0], c[2]), rotated(c[1], c[3]), rotated(c[2], c[4]), rotated(c[3], c[0])];
        macro_rules! moved {
            ($from:literal, $by:literal) => {
                simd.rotate::<$by, { 64 - $by }>(simd.xor_u64s(s[$from], d[$from % 5]))
            };
        }
        let b = [
            simd.xor_u64s(s[0], d[0]),
            moved!(6, 44),
            moved!(12, 43),
            moved!(18, 21),
            moved!(24, 14),
            moved!(3, 28),
            moved!(9, 20),
            moved!(10, 3),
            moved!(16, 45),
            moved!(22, 61),
            moved!(1, 1),
            moved!(7, 6),
            moved!(13, 25),
            moved!(19, 8),
            moved!(20, 18),
            moved!(4, 27),
            moved!(5, 36),
            moved!(11, 10),
            moved!(17, 15),
            moved!(23, 56),
            moved!(2, 62),
            moved!(8, 55),
            moved!(14, 39),
            moved!(15, 41),
            moved!(21, 2),
        ];
        for row in 0..5 {
            for x in 0..5 {
                s[5 * row + x] = simd.chi(b[5 * row + x], b[5 * row + (x + 1) % 5], b[5 * row + (x + 2) % 5]);
            }
        }
        s[0] = simd.xor_u64s(s[0], simd.splat_u64s(round));
    }
}

/// Hashes of as many inputs as there are lanes or fewer, that take the same number of permutations.
#[inline(always)]
fn hash_lanes<S: Lanes>(simd: S, inputs: &[&[u8]], out: &mut [B256]) {
    let lanes = S::U64_LANES;
    let mut state = [simd.splat_u64s(0); 25];
    for block in 0..=inputs[0].len() / RATE {
        let mut words = [0u64; RATE_WORDS * 8];
        for (lane, input) in inputs.iter().enumerate() {
            let rest = &input[block * RATE..];
            let mut last = [0; RATE];
            let bytes = if let Some(whole) = rest.first_chunk::<RATE>() {
                whole
            } else {
                last[..rest.len()].copy_from_slice(rest);
                last[rest.len()] = 1;
                last[RATE - 1] |= 0x80;
                &last
            };
            for (word, bytes) in bytes.as_chunks::<8>().0.iter().enumerate() {
                words[word * lanes + lane] = u64::from_le_bytes(*bytes);
            }
        }
        let (vectors, _) = S::as_simd_u64s(&words[..RATE_WORDS * lanes]);
        for (word, vector) in vectors.iter().enumerate() {
            state[word] = simd.xor_u64s(state[word], *vector);
        }
        permute(simd, &mut state);
    }
    let mut words = [0u64; 4 * 8];
    let (vectors, _) = S::as_mut_simd_u64s(&mut words[..4 * lanes]);
    vectors.copy_from_slice(&state[..4]);
    for (lane, hash) in out.iter_mut().enumerate() {
        for word in 0..4 {
            hash[8 * word..8 * word + 8].copy_from_slice(&words[word * lanes + lane].to_le_bytes());
        }
    }
}

struct Many<'a, S> {
    simd: S,
    inputs: &'a [&'a [u8]],
    out: &'a mut [B256],
}

impl<S: Lanes> NullaryFnOnce for Many<'_, S> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (inputs, out) in self.inputs.chunks(S::U64_LANES).zip(self.out.chunks_mut(S::U64_LANES)) {
            hash_lanes(self.simd, inputs, out);
        }
    }
}

/// How many permutations hashing an input of some bytes takes.
pub fn permutations(length: usize) -> usize {
    length / RATE + 1
}

/// Hashes of many inputs. Fastest where those that take the same number of permutations follow each other.
pub fn hash_many(inputs: &[&[u8]]) -> Vec<B256> {
    let mut hashes = vec![B256::ZERO; inputs.len()];
    let arch = Arch::new();
    let mut out = hashes.as_mut_slice();
    for inputs in inputs.chunk_by(|one, other| permutations(one.len()) == permutations(other.len())) {
        let (group, rest) = out.split_at_mut(inputs.len());
        out = rest;
        match arch {
            _ if inputs.len() == 1 => group[0] = keccak256(inputs[0]),
            Arch::V4(simd) => simd.vectorize(Many { simd, inputs, out: group }),
            Arch::V3(simd) => simd.vectorize(Many { simd, inputs, out: group }),
            _ => group.iter_mut().zip(inputs).for_each(|(hash, input)| *hash = keccak256(input)),
        }
    }
    hashes
}
