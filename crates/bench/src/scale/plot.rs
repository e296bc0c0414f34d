//! Lines over numbers of flows, as SVG: two panels need no library.

use std::fmt::Write as _;

/// Pixels of a panel, and around its axes.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 300.0;
const MARGIN: f64 = 50.0;
/// Of the lines, told apart in print too.
const COLOURS: [&str; 3] = ["#1f4e9c", "#c2410c", "#15803d"];

/// A diagram.
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) lines: Vec<Line>,
}

/// Points from left to right.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// Panels side by side, each axis from 0.
pub(super) fn svg(title: &str, panels: &[Panel]) -> String {
    let width = WIDTH * panels.len() as f64;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{}\" y=\"18\" text-anchor=\"middle\" font-size=\"14\">{title}</text>\n",
        HEIGHT + 20.0,
        width / 2.0
    );
    for (place, panel) in panels.iter().enumerate() {
        // A String takes whatever is written.
        let _ = writeln!(text, "<g transform=\"translate({} 20)\">", WIDTH * place as f64);
        panel.draw(&mut text);
        text.push_str("</g>\n");
    }
    text + "</svg>\n"
}

impl Panel {
    fn draw(&self, text: &mut String) {
        let most = |value: fn(&(f64, f64)) -> f64| {
            let all = self.lines.iter().flat_map(|line| line.points.iter().map(value));
            round_up(all.fold(0.0, f64::max))
        };
        let (x_most, y_most) = (most(|point| point.0), most(|point| point.1));
        let x = |value: f64| MARGIN + value / x_most * (WIDTH - 2.0 * MARGIN);
        let y = |value: f64| HEIGHT - MARGIN - value / y_most * (HEIGHT - 2.0 * MARGIN);
        let (left, right, top, bottom) = (x(0.0), x(x_most), y(y_most), y(0.0));
        let _ = writeln!(text, "<text x=\"{left}\" y=\"{}\">{}</text>", top - 12.0, self.title);
        let _ = writeln!(text, "<path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"black\"/>");
        for part in 0..=4 {
            let part = f64::from(part) / 4.0;
            let (at, value) = (y(y_most * part), y_most * part);
            let _ = writeln!(
                text,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                left - 6.0,
                at + 4.0,
                short(value)
            );
            let _ = writeln!(text, "<path d=\"M{left} {at}H{right}\" stroke=\"#ddd\"/>");
        }
        for (place, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[place % COLOURS.len()];
            let points: Vec<String> =
                line.points.iter().map(|(flows, value)| format!("{},{}", x(*flows), y(*value))).collect();
            let _ = writeln!(
                text,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                points.join(" ")
            );
            for (flows, value) in &line.points {
                let _ = writeln!(text, "<circle cx=\"{}\" cy=\"{}\" r=\"3\" fill=\"{colour}\"/>", x(*flows), y(*value));
            }
            let (name_at, name) = (top + 14.0 + 16.0 * place as f64, line.name);
            let _ = writeln!(text, "<text x=\"{}\" y=\"{name_at}\" fill=\"{colour}\">{name}</text>", left + 10.0);
        }
        // Every panel counts the same flows.
        for (flows, _) in self.lines.first().map_or(&[][..], |line| &line.points) {
            let _ = writeln!(
                text,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{flows}</text>",
                x(*flows),
                bottom + 16.0
            );
        }
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">flows</text>",
            (left + right) / 2.0,
            bottom + 34.0
        );
    }
}

/// To 1, 2, 4, 5 or 8 of its leading digit's unit.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let unit = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 5.0, 8.0].iter().map(|step| step * unit).find(|bound| *bound >= value).unwrap_or(10.0 * unit)
}

fn short(value: f64) -> String {
    if value == 0.0 || value >= 10.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, bound) in [(0.0, 1.0), (0.03, 0.04), (7.0, 8.0), (64.0, 80.0), (512.0, 800.0), (900.0, 1000.0)] {
            assert!((round_up(value) - bound).abs() < 1e-9, "{value}: {}", round_up(value));
        }
    }

    #[test]
    fn a_plot_has_each_point_of_each_line() {
        let line = |name, factor: f64| Line { name, points: [1.0, 8.0, 64.0].map(|x| (x, x * factor)).to_vec() };
        let text = svg("flows", &[Panel { title: "memory", lines: vec![line("one", 2.0), line("two", 3.0)] }]);
        assert_eq!(text.matches("<circle").count(), 6);
        assert_eq!(text.matches("<polyline").count(), 2);
        assert_eq!(text.matches('<').count(), text.matches('>').count());
        assert!(text.ends_with("</svg>\n") && !text.contains("NaN"), "{text}");
    }
}
