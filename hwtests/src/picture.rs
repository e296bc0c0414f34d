//! A picture as PNG, for eyes.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result};

use crate::planes::Planes;

/// Writes the picture as 8-bit RGB (BT.709, narrow range to full).
///
/// # Errors
/// When the file cannot be written.
pub fn save_png(picture: &Planes, path: &Path) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    let (width, height) = (picture.format().width(), picture.format().height());
    let mut encoder = png::Encoder::new(BufWriter::new(file), width.into(), height.into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().context("cannot begin a PNG")?;
    writer.write_image_data(&rgb(picture)).context("cannot write a PNG")
}

/// BT.709 §3; both pixels of a pair take the pair's chroma.
fn rgb(picture: &Planes) -> Vec<u8> {
    let scale = f32::from(1_u16 << (picture.format().depth().bits() - 8));
    let mut out = Vec::with_capacity(picture.y.len() * 3);
    for (at, &luma) in picture.y.iter().enumerate() {
        let y = (f32::from(luma) / scale - 16.0) / 219.0;
        let [cb, cr] = [picture.cb[at / 2], picture.cr[at / 2]].map(|c| (f32::from(c) / scale - 128.0) / 224.0);
        let channels = [y + 1.5748 * cr, y - 0.1873 * cb - 0.4681 * cr, y + 1.8556 * cb];
        out.extend(channels.map(|channel| (channel * 255.0).round().clamp(0.0, 255.0) as u8));
    }
    out
}

#[cfg(test)]
mod tests {
    use media::{Depth, Rate, Sampling, VideoFormat};

    use super::*;

    #[test]
    fn bars_become_their_colours() {
        let format = VideoFormat::new(2, 1, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap();
        for ([y, cb, cr], colour) in [
            ([940, 512, 512], [255, 255, 255]),
            ([64, 512, 512], [0, 0, 0]),
            ([204, 435, 848], [191, 0, 0]),
            ([534, 253, 207], [0, 191, 0]),
            ([111, 848, 481], [0, 0, 191]),
        ] {
            let mut picture = Planes::black(format);
            (picture.y, picture.cb, picture.cr) = (vec![y; 2], vec![cb], vec![cr]);
            let near = rgb(&picture)[..3].iter().zip(colour).all(|(&a, b): (&u8, u8)| a.abs_diff(b) <= 1);
            assert!(near, "{colour:?} came out as {:?}", &rgb(&picture)[..3]);
        }
    }
}
