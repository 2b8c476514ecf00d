//! [`Vector`]: a few `f32` in one register, with one implementation per instruction set.
//!
//! Compilers turn simple loops into vector code, but not reliably those of quantised blocks, whose
//! parts are unpacked, widened and multiplied in registers; these say what they want.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
pub(super) mod portable;

/// Some `f32`, one operation at a time.
///
/// # Safety
/// Every function requires that the machine has the instruction set. Those that take slices read or
/// write the first `LEN` elements and check nothing but, in debug builds, the length.
pub(super) trait Vector: Copy {
    /// Elements.
    const LEN: usize;
    unsafe fn splat(x: f32) -> Self;
    /// `[LEN]` to `f32`
    unsafe fn load(from: &[f32]) -> Self;
    unsafe fn store(self, to: &mut [f32]);
    /// Unsigned bytes, `[LEN]`
    unsafe fn from_u8(from: &[u8]) -> Self;
    /// Signed bytes, `[LEN]`
    unsafe fn from_i8(from: &[u8]) -> Self;
    /// Half precision, little-endian, `[2 * LEN]`
    unsafe fn from_half(from: &[u8]) -> Self;
    /// bfloat16, little-endian, `[2 * LEN]`
    unsafe fn from_bfloat16(from: &[u8]) -> Self;
    /// Half precision, one number
    unsafe fn widen_half(bits: u16) -> f32;
    /// `self * b + c`
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    unsafe fn mul(self, b: Self) -> Self;
    /// Of all elements, always in the same order.
    unsafe fn sum(self) -> f32;
    /// Bytes that are 16 where a bit is set, and 0 elsewhere: bit 0 is the first one's.
    unsafe fn spread_bits(bits: u32) -> [u8; 32];
    /// Bytes of a table, at places from 0 to 15.
    unsafe fn look_up(table: &[u8; 16], places: &[u8; 16]) -> [u8; 16];
    /// Writes the columns of 8 rows of 8 elements as rows, or adds them to what is there. Rows
    /// begin a stride apart, on both sides.
    unsafe fn transpose<const ADD: bool>(
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    );
}

/// Sums of products of bytes, as many as a vector has elements.
///
/// # Safety
/// As for [`Vector`].
pub(super) trait ByteProducts {
    /// The vector whose elements the sums become.
    type Vector: Vector;
    /// Unsigned bytes, four for each sum.
    type Bytes: Copy;
    /// 32-bit sums.
    type Sums: Copy;
    unsafe fn start(x: i32) -> Self::Sums;
    /// `[4 * LEN]` to bytes
    unsafe fn load(from: &[u8]) -> Self::Bytes;
    /// Adds to each sum the products of its four bytes with the four signed ones that `four` is
    /// made of, lowest first. No two neighbouring products may be beyond 16 bits together.
    unsafe fn add_products(sums: Self::Sums, bytes: Self::Bytes, four: i32) -> Self::Sums;
    unsafe fn widen(sums: Self::Sums) -> Self::Vector;
}
