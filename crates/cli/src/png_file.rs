//! Frames as PNG pictures of 8-bit RGB.

use std::io::Write;

use media::VideoFormat;

use crate::picture::{Matrix, RowConverter};

/// Writes pictures of one format.
#[derive(Debug)]
pub(crate) struct PngFile {
    format: VideoFormat,
    converter: RowConverter,
    rgb: Vec<u8>,
}

impl PngFile {
    pub(crate) fn new(format: &VideoFormat, matrix: Matrix) -> Self {
        let octets = 3 * usize::from(format.width()) * usize::from(format.height());
        Self { format: *format, converter: RowConverter::new(format, matrix), rgb: Vec::with_capacity(octets) }
    }

    /// Begins the next picture.
    pub(crate) fn begin(&mut self) {
        self.rgb.clear();
    }

    /// Adds rows of pgroups from the top.
    pub(crate) fn add_rows(&mut self, rows: &[u8]) {
        for row in rows.chunks_exact(self.format.row_octets() as usize) {
            self.converter.convert(row, &mut self.rgb);
        }
    }

    /// Writes the picture whose rows were all added.
    pub(crate) fn write(&self, out: impl Write) -> Result<(), png::EncodingError> {
        let mut encoder = png::Encoder::new(out, self.format.width().into(), self.format.height().into());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb)?;
        writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use media::{Depth, Rate, Sampling};

    use super::*;

    #[test]
    fn a_picture_reads_back_with_its_geometry_and_colours() {
        let format = VideoFormat::new(4, 2, Sampling::YCbCr422, Depth::Bits8, Rate::new(25, 1).unwrap()).unwrap();
        let mut file = PngFile::new(&format, Matrix::BT709);
        for _ in 0..2 {
            file.begin();
            file.add_rows(&[128, 16, 128, 235, 128, 235, 128, 16]);
            file.add_rows(&[128, 235, 128, 235, 128, 16, 128, 16]);
        }
        let mut octets = Vec::new();
        file.write(&mut octets).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(octets)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut rgb).unwrap();
        assert_eq!((frame.width, frame.height, frame.color_type), (4, 2, png::ColorType::Rgb));
        let grey: Vec<u8> = rgb.chunks_exact(3).map(|pixel| pixel[1]).collect();
        assert_eq!(grey, [0, 255, 255, 0, 255, 255, 0, 0]);
    }
}
