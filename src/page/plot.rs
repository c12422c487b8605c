//! Drawings as SVG: a stacked plot with its table, a sparkline, a bar of a waterfall. Colours are classes of the style
//! sheet, so that a strict policy on contents holds.

use std::fmt::Write as _;

use askama::Template;

use super::words::Words;

/// What a column is made of: its colour and its name.
#[derive(Clone, Debug)]
pub struct Kind {
    /// The class in the style sheet.
    pub class: &'static str,
    /// The name in the legend.
    pub text: String,
}

/// One column of a plot.
#[derive(Clone, Debug)]
pub struct Column {
    /// When it begins.
    pub label: String,
    /// The height of each kind; none where nothing is known.
    pub parts: Vec<Option<f64>>,
}

/// One rectangle.
#[derive(Debug)]
struct Bar {
    x: String,
    y: String,
    width: String,
    height: String,
    class: &'static str,
    title: String,
}

/// A plot of stacked columns.
#[derive(Debug)]
pub struct Plot {
    label: &'static str,
    low: bool,
    top: String,
    from: String,
    until: String,
    bars: Vec<Bar>,
    kinds: Vec<Kind>,
    rows: Vec<(String, Vec<String>)>,
}

#[derive(Template)]
#[template(path = "plot.html")]
struct Page<'p> {
    plot: &'p Plot,
    words: &'static Words,
}

/// The unit square of a drawing.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 100.0;

impl Plot {
    /// A plot of columns. `figure` writes a height for people.
    #[must_use]
    pub fn new(label: &'static str, kinds: Vec<Kind>, columns: &[Column], figure: impl Fn(f64) -> String) -> Self {
        let sum = |column: &Column| column.parts.iter().flatten().sum::<f64>();
        let highest = columns.iter().map(sum).fold(0.0, f64::max);
        let width = WIDTH / count(columns.len().max(1));
        let mut bars = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let mut below = HEIGHT;
            for (kind, part) in kinds.iter().zip(&column.parts) {
                let Some(part) = part.filter(|part| *part > 0.0) else { continue };
                let height = part / highest * HEIGHT;
                below -= height;
                bars.push(Bar {
                    x: short(count(index) * width),
                    y: short(below),
                    // A hair between columns, where they are not hairs themselves.
                    width: short(if width > 6.0 { width - 1.0 } else { width }),
                    height: short(height),
                    class: kind.class,
                    title: format!("{}: {} {}", column.label, kind.text, figure(part)),
                });
            }
        }
        let cells = |column: &Column| column.parts.iter().map(|part| part.map_or_else(String::new, &figure)).collect();
        let known = columns.iter().filter(|column| column.parts.iter().any(Option::is_some));
        let rows = known.map(|column| (column.label.clone(), cells(column))).collect();
        let at = |column: Option<&Column>| column.map_or_else(String::new, |column| column.label.clone());
        let (from, until) = (at(columns.first()), at(columns.last()));
        let top = if highest > 0.0 { figure(highest) } else { String::new() };
        Self { label, low: false, top, from, until, bars, kinds, rows }
    }

    /// The same, half as high.
    #[must_use]
    pub fn low(mut self) -> Self {
        self.low = true;
        self
    }

    /// Draws it.
    pub fn draw(&self, words: &'static Words) -> Result<String, askama::Error> {
        Page { plot: self, words }.render()
    }
}

/// A line through the known points, and a mark below each point with failures.
#[must_use]
pub fn sparkline(points: &[(Option<f64>, bool)]) -> String {
    // What was before the first run is no gap.
    let known = |(height, failed): &(Option<f64>, bool)| height.is_some() || *failed;
    let points = &points[points.iter().position(known).unwrap_or(0)..];
    let highest = points.iter().filter_map(|(height, _)| *height).fold(0.0, f64::max);
    if points.iter().all(|(height, failed)| height.is_none() && !failed) {
        return String::new();
    }
    // The last point has the width of a step too, or a mark below it would stand outside.
    let step = 100.0 / count(points.len());
    let (mut line, mut marks, mut pen) = (String::new(), String::new(), 'M');
    for (index, (height, failed)) in points.iter().enumerate() {
        let x = count(index) * step;
        match height {
            Some(height) => {
                let y = 20.0 - if highest > 0.0 { height / highest * 18.0 } else { 0.0 };
                let _ = write!(line, "{pen}{} {}h{}", short(x), short(y), short(step * 0.9));
                pen = 'L';
            }
            None => pen = 'M',
        }
        if *failed {
            let _ =
                write!(marks, "<rect x=\"{}\" y=\"21\" width=\"{}\" height=\"3\"/>", short(x), short(step.max(1.5)));
        }
    }
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 100 24\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <path d=\"{line}\"/>{marks}</svg>"
    )
}

/// A piece of a waterfall: its colour, where it begins and how long it is, as shares of the whole.
pub type Piece = (&'static str, f64, f64);

/// One line of a waterfall.
#[must_use]
pub fn bar(pieces: &[Piece]) -> String {
    let piece = |(class, begin, length): &Piece| {
        let (x, width) = (begin * WIDTH, (length * WIDTH).max(2.0));
        let x = short(x.min(WIDTH - 2.0));
        format!("<rect x=\"{x}\" y=\"1\" width=\"{}\" height=\"8\" class=\"{class}\"/>", short(width))
    };
    format!(
        "<svg class=\"fall\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{}</svg>",
        pieces.iter().map(piece).collect::<String>()
    )
}

/// A number of SVG: two digits are finer than any screen.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A small count as a number to draw with.
fn count(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::super::words::Language;
    use super::*;

    fn kinds() -> Vec<Kind> {
        vec![Kind { class: "connect", text: "connect".into() }, Kind { class: "wait", text: "<wait>".into() }]
    }

    #[test]
    fn columns_stand_on_each_other() {
        let columns = [
            Column { label: "10:00".into(), parts: vec![Some(1.0), Some(3.0)] },
            Column { label: "10:01".into(), parts: vec![None, None] },
        ];
        let plot = Plot::new("times", kinds(), &columns, |number| format!("{number} ms"));
        let text = plot.draw(Language::English.words()).expect("it is drawn");
        assert!(text.contains(r#"<rect x="0" y="75" width="499" height="25" class="connect">"#), "{text}");
        assert!(text.contains(r#"<rect x="0" y="0" width="499" height="75" class="wait">"#), "{text}");
        assert!(text.contains("4 ms") && !text.contains("<wait>"), "{text}");
        assert_eq!(plot.rows, [("10:00".to_owned(), vec!["1 ms".to_owned(), "3 ms".to_owned()])]);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(sparkline(&[(None, false), (None, false)]), "");
        let plot = Plot::new("times", kinds(), &[], |number| number.to_string());
        assert!(plot.bars.is_empty() && plot.top.is_empty());
    }

    #[test]
    fn a_gap_breaks_the_line() {
        let text = sparkline(&[(Some(1.0), false), (None, true), (Some(2.0), false)]);
        assert!(text.contains("d=\"M0 11h30M66.67 2h30\"") && text.contains("<rect x=\"33.33\""), "{text}");
    }
}
