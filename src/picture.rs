//! Small pictures (SVG) made of headings, bars and lines, for pages and reports.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 270.0;
const RIGHT: f64 = 90.0;
const MARGIN: f64 = 16.0;
const ROW: f64 = 26.0;
const BAR: f64 = 18.0;
const LINE_HEIGHT: f64 = 140.0;
/// What the picture is about.
const STRONG: &str = "#1f5f8b";
/// What it is compared with.
const PALE: &str = "#9aa5ad";

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What stands on its left.
    pub name: String,
    /// How long it is.
    pub value: f64,
    /// What stands on its right.
    pub shown: String,
    /// Whether the picture is about it, not only compared with it.
    pub strong: bool,
}

/// A picture that grows downwards.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    body: String,
    y: f64,
}

impl Picture {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a part.
    pub fn heading(&mut self, text: &str) {
        self.y += 30.0;
        let (y, text) = (self.y, escaped(text));
        self.add(&format!(
            r#"<text x="{MARGIN}" y="{y}" font-size="16">{text}</text>"#
        ));
        self.y += 14.0;
    }

    /// Adds bars below one another, the longest of which fills the width.
    pub fn bars(&mut self, bars: &[Bar]) {
        let longest = bars
            .iter()
            .map(|bar| bar.value)
            .fold(f64::MIN_POSITIVE, f64::max);
        for bar in bars {
            let width = (bar.value / longest * (WIDTH - LEFT - RIGHT)).max(1.0);
            let (y, text_y) = (self.y, self.y + 14.0);
            let colour = if bar.strong { STRONG } else { PALE };
            let (name, shown) = (escaped(&bar.name), escaped(&bar.shown));
            let (name_x, shown_x) = (LEFT - 8.0, LEFT + width + 6.0);
            self.add(&format!(
                r#"<text x="{name_x}" y="{text_y}" text-anchor="end">{name}</text><rect x="{LEFT}" y="{y}" width="{width:.1}" height="{BAR}" fill="{colour}"/><text x="{shown_x:.1}" y="{text_y}" font-size="12">{shown}</text>"#
            ));
            self.y += ROW;
        }
    }

    /// Adds a line through points: where each is from left to right, and how high, from zero on. `ends` stand below the
    /// first and the last.
    pub fn line(&mut self, points: &[(f64, f64)], ends: [&str; 2]) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return;
        };
        let highest = points
            .iter()
            .map(|point| point.1)
            .fold(f64::MIN_POSITIVE, f64::max);
        let (bottom, span) = (self.y + LINE_HEIGHT, (last.0 - first.0).max(1.0));
        let width = WIDTH - MARGIN - RIGHT;
        let mut path = String::new();
        for (x, height) in points {
            let (x, y) = (
                MARGIN + (x - first.0) / span * width,
                bottom - height / highest * (LINE_HEIGHT - 10.0),
            );
            // Writing to a text cannot fail.
            let _ = write!(path, "{x:.1},{y:.1} ");
        }
        let (path, right, text_y) = (path.trim_end(), MARGIN + width, bottom + 16.0);
        self.add(&format!(
            r#"<line x1="{MARGIN}" y1="{bottom}" x2="{right}" y2="{bottom}" stroke="{PALE}"/><polyline points="{path}" fill="none" stroke="{STRONG}" stroke-width="2"/>"#
        ));
        let [from, to] = ends.map(escaped);
        self.add(&format!(
            r#"<text x="{MARGIN}" y="{text_y}" font-size="12">{from}</text><text x="{right}" y="{text_y}" font-size="12" text-anchor="end">{to}</text>"#
        ));
        self.y = bottom + ROW;
    }

    /// The whole picture.
    pub fn finish(self) -> String {
        let (height, body) = (self.y + MARGIN, self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
        )
    }

    fn add(&mut self, line: &str) {
        self.body.push_str(line);
        self.body.push('\n');
    }
}

/// The text as XML has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_width_and_texts_are_escaped() {
        let mut picture = Picture::new();
        picture.heading("a < b & c");
        let bar = |value, strong| Bar {
            name: "<x>".to_owned(),
            value,
            shown: "1".to_owned(),
            strong,
        };
        picture.bars(&[bar(10.0, true), bar(5.0, false), bar(0.0, false)]);
        picture.line(&[(3.0, 2.0), (5.0, 4.0)], ["from", "to"]);
        let text = picture.finish();
        for part in [
            "a &lt; b &amp; c",
            "&lt;x&gt;",
            r#"width="360.0""#,
            r#"width="180.0""#,
            r#"width="1.0""#,
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.contains("points=\"16.0,"), "{text}");
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
    }

    #[test]
    fn nothing_is_drawn_of_no_points() {
        let mut picture = Picture::new();
        picture.line(&[], ["", ""]);
        assert!(!picture.finish().contains("polyline"));
    }
}
