//! The test picture: its number as a row of blocks, colour bars, a ramp, an F, a ring, the number in
//! digits, and a ball that moves.
//!
//! ```text
//! | number: 32 blocks, black 0, white 1, most significant left |  1/12 of the height
//! | white | yellow | cyan | green | magenta | red | blue       |  to 7/12
//! | luma ramp, black left to white right                       |  to 8/12
//! | F    ring    digits            ball                        |  to the bottom
//! ```
//!
//! The lowest bits carry noise that is seeded by picture and row: no row of any picture equals the same row
//! of another, so a line that is put in the wrong frame or place is seen.

mod glyph;
mod number;

use media::{Depth, VideoFormat};

use crate::planes::{Layout, Planes};

pub use number::read_number;

/// Smallest width that has room for the number.
pub const WIDTH_MIN: u16 = 64;
/// Smallest height at which every band has rows.
pub const HEIGHT_MIN: u16 = 24;

/// 10-bit Y′, Cb, Cr of BT.709.
type Colour = [u16; 3];

const BLACK: Colour = [64, 512, 512];
const GREY: Colour = [160, 512, 512];
const WHITE: Colour = [940, 512, 512];
const ORANGE: Colour = [620, 265, 660];

/// Bars of 75 % (BT.709, narrow range): white, yellow, cyan, green, magenta, red, blue.
const BARS: [Colour; 7] = [
    [721, 512, 512],
    [674, 176, 543],
    [581, 589, 176],
    [534, 253, 207],
    [251, 771, 817],
    [204, 435, 848],
    [111, 848, 481],
];

/// A sequence of test pictures; the same seed and number give the same picture.
#[derive(Clone, Debug)]
pub struct Pattern {
    still: Planes,
    seed: u64,
}

impl Pattern {
    /// The pictures of `format` under `seed`.
    ///
    /// # Panics
    /// When the format is smaller than [`WIDTH_MIN`] × [`HEIGHT_MIN`] or of odd width.
    #[must_use]
    pub fn new(format: VideoFormat, seed: u64) -> Self {
        assert!(format.width() >= WIDTH_MIN && format.height() >= HEIGHT_MIN, "{format} is too small for a number");
        let mut canvas = Canvas { planes: Planes::black(format) };
        canvas.still();
        Self { still: canvas.planes, seed }
    }

    /// The format of the pictures.
    #[must_use]
    pub fn format(&self) -> &VideoFormat {
        self.still.format()
    }

    /// Picture `number` (below 2²⁴).
    #[must_use]
    pub fn picture(&self, number: u32) -> Planes {
        let mut canvas = Canvas { planes: self.still.clone() };
        canvas.moving(number);
        canvas.noise(self.seed, number);
        canvas.planes
    }

    /// Picture `number` as octets.
    #[must_use]
    pub fn frame(&self, number: u32, layout: Layout) -> Vec<u8> {
        self.picture(number).octets(layout)
    }
}

/// Paints in 10-bit colours; positions are in twelfths of the height where a band is meant.
struct Canvas {
    planes: Planes,
}

impl Canvas {
    fn width(&self) -> usize {
        usize::from(self.planes.format().width())
    }

    fn height(&self) -> usize {
        usize::from(self.planes.format().height())
    }

    /// The first row of a band.
    fn row(&self, twelfths: usize) -> usize {
        self.height() * twelfths / 12
    }

    /// Chroma is set by the left pixel of each pair.
    fn dot(&mut self, x: usize, y: usize, colour: Colour) {
        let shift = match self.planes.format().depth() {
            Depth::Bits8 => 2,
            Depth::Bits10 => 0,
        };
        let at = y * self.width() + x;
        let [luma, cb, cr] = colour.map(|sample| sample >> shift);
        self.planes.y[at] = luma;
        if x.is_multiple_of(2) {
            (self.planes.cb[at / 2], self.planes.cr[at / 2]) = (cb, cr);
        }
    }

    fn fill(&mut self, xs: std::ops::Range<usize>, ys: std::ops::Range<usize>, colour: Colour) {
        for y in ys.start..ys.end.min(self.height()) {
            for x in xs.start..xs.end.min(self.width()) {
                self.dot(x, y, colour);
            }
        }
    }

    fn still(&mut self) {
        let (width, height) = (self.width(), self.height());
        let (bars, ramp, field) = (self.row(1), self.row(7), self.row(8));
        for (n, colour) in BARS.into_iter().enumerate() {
            self.fill(width * n / 7..width * (n + 1) / 7, bars..ramp, colour);
        }
        for x in 0..width {
            let luma = 64 + (876 * x / (width - 1)) as u16;
            self.fill(x..x + 1, ramp..field, [luma, 512, 512]);
        }
        self.fill(0..width, field..height, GREY);
        let band = height - field;
        glyph::draw('F', |x, y| {
            let unit = band / 8;
            let (left, top) = (width / 24 + x * unit, field + band / 8 + y * unit);
            self.fill(left..left + unit, top..top + unit, WHITE);
        });
        self.ring((width * 7 / 24, field + band / 2), band * 3 / 8, WHITE);
    }

    /// A circle shows whether the geometry is right.
    fn ring(&mut self, (cx, cy): (usize, usize), radius: usize, colour: Colour) {
        let inner = radius * 9 / 10;
        self.disc((cx, cy), radius, |square| (square >= inner * inner).then_some(colour));
    }

    fn disc(&mut self, (cx, cy): (usize, usize), radius: usize, colour: impl Fn(usize) -> Option<Colour>) {
        for y in cy.saturating_sub(radius)..=(cy + radius).min(self.height() - 1) {
            for x in cx.saturating_sub(radius)..=(cx + radius).min(self.width() - 1) {
                let square = x.abs_diff(cx).pow(2) + y.abs_diff(cy).pow(2);
                if let Some(colour) = colour(square).filter(|_| square <= radius * radius) {
                    self.dot(x, y, colour);
                }
            }
        }
    }

    fn moving(&mut self, number: u32) {
        let (width, height, field) = (self.width(), self.height(), self.row(8));
        let band = height - field;
        number::write_number(number, width, |xs, bit| {
            let end = self.row(1);
            self.fill(xs, 0..end, if bit { WHITE } else { BLACK });
        });
        let unit = band / 12;
        for (n, digit) in format!("{number:05}").chars().enumerate() {
            glyph::draw(digit, |x, y| {
                let (left, top) = (width * 5 / 12 + (n * 4 + x) * unit, field + band * 3 / 8 + y * unit);
                self.fill(left..left + unit, top..top + unit, WHITE);
            });
        }
        let radius = band / 5;
        let (from, way) = (width * 3 / 4, width / 4 - radius - 1);
        let phase = number as usize * (width / 64) % (2 * way.max(1));
        let along = if phase < way { phase } else { 2 * way - phase };
        self.disc((from + along, field + band / 2), radius, |_| Some(ORANGE));
    }

    /// Two bits of noise at 10 bits, one at 8, never enough to turn a block of the number.
    fn noise(&mut self, seed: u64, number: u32) {
        let (width, mask) = match self.planes.format().depth() {
            Depth::Bits8 => (self.width(), 1),
            Depth::Bits10 => (self.width(), 3),
        };
        let Planes { y, cb, cr, .. } = &mut self.planes;
        let chroma = cb.chunks_exact_mut(width / 2).zip(cr.chunks_exact_mut(width / 2));
        for (row, (luma, (cb, cr))) in y.chunks_exact_mut(width).zip(chroma).enumerate() {
            let mut noise = Noise::new(seed, number, row);
            luma.iter_mut().chain(cb).chain(cr).for_each(|sample| *sample ^= noise.bits() & mask);
        }
    }
}

/// Marsaglia's xorshift64; quick, and the same on every machine.
struct Noise(u64);

impl Noise {
    fn new(seed: u64, number: u32, row: usize) -> Self {
        let mixed = (seed ^ u64::from(number) << 32 ^ row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1)
    }

    fn bits(&mut self) -> u16 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 48) as u16
    }
}

#[cfg(test)]
mod tests;
