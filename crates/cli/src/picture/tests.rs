//! Colour bars with values from BT.709 and BT.601, and the arithmetic against floating point.

use media::{Rate, Sampling};
use proptest::prelude::*;

use super::*;

fn format(width: u32, height: u32, depth: Depth) -> VideoFormat {
    VideoFormat::new(width, height, Sampling::YCbCr422, depth, Rate::new(25, 1).unwrap()).unwrap()
}

fn pack10([cb, y0, cr, y1]: [u64; 4]) -> [u8; 5] {
    let bits = cb << 30 | y0 << 20 | cr << 10 | y1;
    let octets = bits.to_be_bytes();
    [octets[3], octets[4], octets[5], octets[6], octets[7]]
}

/// Both pixels of one 10-bit pgroup of a grey-free colour.
fn convert10(matrix: Matrix, y: u64, cb: u64, cr: u64) -> [u8; 3] {
    let mut rgb = Vec::new();
    RowConverter::new(&format(2, 1080, Depth::Bits10), matrix).convert(&pack10([cb, y, cr, y]), &mut rgb);
    assert_eq!(rgb.len(), 6);
    assert_eq!(rgb[..3], rgb[3..]);
    [rgb[0], rgb[1], rgb[2]]
}

/// 100 % bars: (Y′, Cb, Cr) at 10 bits by the equations of the standard, and the colour they stand for.
const BARS_709: [([u64; 3], [u8; 3]); 8] = [
    ([940, 512, 512], [255, 255, 255]),
    ([877, 64, 553], [255, 255, 0]),
    ([754, 615, 64], [0, 255, 255]),
    ([691, 167, 105], [0, 255, 0]),
    ([313, 857, 919], [255, 0, 255]),
    ([250, 409, 960], [255, 0, 0]),
    ([127, 960, 471], [0, 0, 255]),
    ([64, 512, 512], [0, 0, 0]),
];

#[test]
fn hundred_per_cent_bars_of_bt709_come_back_as_primaries() {
    for ([y, cb, cr], expected) in BARS_709 {
        let rgb = convert10(Matrix::BT709, y, cb, cr);
        // The samples themselves are rounded: a quarter of an 8-bit step, times up to 1.9.
        let error = rgb.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
        assert!(error <= Some(1), "{y} {cb} {cr}: {rgb:?}");
    }
}

#[test]
fn seventy_five_per_cent_bars_of_smpte_rp_219_are_191() {
    // 75 % bars at 10 bits: white, yellow, cyan, green, magenta, red, blue.
    let bars = [
        ([721, 512, 512], [191, 191, 191]),
        ([674, 176, 543], [191, 191, 0]),
        ([581, 589, 176], [0, 191, 191]),
        ([534, 253, 207], [0, 191, 0]),
        ([251, 771, 817], [191, 0, 191]),
        ([204, 435, 848], [191, 0, 0]),
        ([111, 848, 481], [0, 0, 191]),
    ];
    for ([y, cb, cr], expected) in bars {
        let rgb = convert10(Matrix::BT709, y, cb, cr);
        let error = rgb.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
        assert!(error <= Some(1), "{y} {cb} {cr}: {rgb:?}");
    }
}

#[test]
fn bt601_red_at_8_bits_is_red() {
    let mut rgb = Vec::new();
    // Y′ 81, Cb 90, Cr 240 (BT.601-7 §2.5.3), then black.
    let converter = RowConverter::new(&format(4, 576, Depth::Bits8), Matrix::usual(576));
    converter.convert(&[90, 81, 240, 81, 128, 16, 128, 16], &mut rgb);
    assert_eq!(rgb, [254, 0, 0, 254, 0, 0, 0, 0, 0, 0, 0, 0]);
    // The same samples as BT.709 are another red: a matrix that is mixed up shows.
    let mut wrong = Vec::new();
    RowConverter::new(&format(4, 576, Depth::Bits8), Matrix::BT709).convert(&[90, 81, 240, 81], &mut wrong);
    assert_eq!(wrong, [255, 24, 0, 255, 24, 0]);
}

#[test]
fn the_usual_matrix_changes_above_576_rows() {
    assert_eq!(Matrix::usual(576), Matrix::BT601);
    assert_eq!(Matrix::usual(577), Matrix::BT709);
}

#[test]
fn pgroups_are_read_in_the_order_of_rfc_4175() {
    assert_eq!(unpack10(&pack10([1023, 0, 1, 512])), [1023, 0, 1, 512]);
    assert_eq!(unpack10(&[0x80, 0x04, 0x08, 0x00, 0x40]), [512, 64, 512, 64]);
    let mut rgb = Vec::new();
    let converter = RowConverter::new(&format(2, 1080, Depth::Bits8), Matrix::BT709);
    converter.convert(&[128, 16, 128, 235], &mut rgb);
    assert_eq!(rgb, [0, 0, 0, 255, 255, 255], "Y0 is the left pixel");
}

#[test]
fn an_odd_width_drops_its_fill() {
    let mut rgb = Vec::new();
    let converter = RowConverter::new(&format(3, 1, Depth::Bits8), Matrix::BT709);
    converter.convert(&[128, 235, 128, 235, 128, 235, 128, 16], &mut rgb);
    assert_eq!(rgb, [255; 9]);
}

#[test]
fn black_rows_are_black() {
    for depth in [Depth::Bits8, Depth::Bits10] {
        let format = format(6, 1, depth);
        let row = black_row(&format);
        assert_eq!(row.len(), format.row_octets() as usize);
        let mut rgb = Vec::new();
        RowConverter::new(&format, Matrix::BT709).convert(&row, &mut rgb);
        assert_eq!(rgb, [0; 18]);
    }
}

proptest! {
    #[test]
    fn integers_agree_with_floating_point(y in 0u64..1024, cb in 0u64..1024, cr in 0u64..1024, is_hd: bool) {
        let (matrix, kr, kb) = if is_hd { (Matrix::BT709, 0.2126, 0.0722) } else { (Matrix::BT601, 0.299, 0.114) };
        let luma = (y as f64 - 64.0) / 876.0;
        let (pb, pr) = ((cb as f64 - 512.0) / 896.0, (cr as f64 - 512.0) / 896.0);
        let red = luma + 2.0 * (1.0 - kr) * pr;
        let blue = luma + 2.0 * (1.0 - kb) * pb;
        let green = (luma - kr * red - kb * blue) / (1.0 - kr - kb);
        for (got, exact) in convert10(matrix, y, cb, cr).into_iter().zip([red, green, blue]) {
            let exact = (exact * 255.0).clamp(0.0, 255.0);
            prop_assert!((f64::from(got) - exact).abs() <= 0.5 + 1e-6, "{got} {exact}");
        }
    }
}
