//! The pair's timeline as a picture. Pure: data in, SVG out.

use bluegreen_core::color::{Both, Color};
use bluegreen_core::printable::visible;
use jiff::Timestamp;
use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, IntoFont, RGBColor, ShapeStyle};

/// A state that lasted for a while; times in seconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span<T> {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) what: T,
}

/// An event at one instant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    pub(crate) at: f64,
    pub(crate) label: String,
    pub(crate) good: bool,
}

/// Everything that is drawn.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    pub(crate) title: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) active: Vec<Span<Color>>,
    pub(crate) healthy: Both<Vec<Span<bool>>>,
    pub(crate) heartbeats: Both<Vec<(f64, f64)>>,
    /// What a heartbeat point counts, such as `heartbeats a minute`.
    pub(crate) heartbeat_unit: String,
    pub(crate) transitions: Vec<Mark>,
    pub(crate) blocked: Vec<Span<String>>,
    pub(crate) drills: Vec<Mark>,
    pub(crate) readiness: Vec<(f64, f64)>,
}

const WIDTH: u32 = 1280;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 1250.0;
const FONT: &str = "sans-serif";

/// The SVG backend writes a font this much smaller than requested.
const POINTS: f64 = 1.24;

const INK: RGBColor = RGBColor(35, 40, 48);
const FAINT: RGBColor = RGBColor(120, 128, 138);
const GRID: RGBColor = RGBColor(226, 230, 235);
const NOTHING: RGBColor = RGBColor(240, 242, 244);
const WELL: RGBColor = RGBColor(126, 196, 138);
const ILL: RGBColor = RGBColor(214, 69, 65);
const AMBER: RGBColor = RGBColor(222, 150, 30);
const WHITE: RGBColor = RGBColor(255, 255, 255);

fn of(color: Color) -> RGBColor {
    match color {
        Color::Blue => RGBColor(40, 105, 200),
        Color::Green => RGBColor(34, 139, 75),
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

struct Canvas<'a> {
    area: Area<'a>,
    from: f64,
    to: f64,
}

#[expect(clippy::cast_possible_truncation, reason = "pixels of a picture of some hundred")]
fn pixel(value: f64) -> i32 {
    value.round() as i32
}

impl Canvas<'_> {
    fn x(&self, at: f64) -> f64 {
        let part = (at - self.from) / (self.to - self.from).max(1.0);
        LEFT + part.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    fn shows(&self, at: f64) -> bool {
        at >= self.from && at <= self.to
    }

    fn rectangle(&self, left: f64, top: f64, right: f64, bottom: f64, fill: RGBColor) -> Drawn {
        // Even a short span must be visible.
        let right = right.max(left + 1.0);
        let corners = [(pixel(left), pixel(top)), (pixel(right), pixel(bottom))];
        self.area.draw(&Rectangle::new(corners, fill.filled()))
    }

    fn line(&self, points: &[(f64, f64)], color: RGBColor, width: u32) -> Drawn {
        let points: Vec<(i32, i32)> = points.iter().map(|(x, y)| (pixel(*x), pixel(*y))).collect();
        self.area
            .draw(&PathElement::new(points, ShapeStyle::from(&color).stroke_width(width)))
    }

    fn dashes(&self, x: f64, top: f64, bottom: f64, color: RGBColor) -> Drawn {
        let mut y = top;
        while y < bottom {
            self.line(&[(x, y), (x, (y + 4.0).min(bottom))], color, 1)?;
            y += 8.0;
        }
        Ok(())
    }

    fn diamond(&self, x: f64, y: f64, color: RGBColor) -> Drawn {
        let points = [(x, y - 7.0), (x + 7.0, y), (x, y + 7.0), (x - 7.0, y)];
        let points: Vec<(i32, i32)> = points.iter().map(|(x, y)| (pixel(*x), pixel(*y))).collect();
        self.area.draw(&Polygon::new(points, color.filled()))
    }

    fn text(&self, text: &str, x: f64, y: f64, size: i32, color: RGBColor, anchor: HPos) -> Drawn {
        let style = (FONT, f64::from(size) * POINTS)
            .into_font()
            .color(&color)
            .pos(Pos::new(anchor, VPos::Center));
        // XML cannot represent control characters, and the backend escapes the rest.
        self.area.draw(&Text::new(visible(text), (pixel(x), pixel(y)), style))
    }

    /// Draws a text that the lines of the transitions do not cross.
    fn label(&self, text: &str, x: f64, y: f64, anchor: HPos) -> Drawn {
        let width = width_of(text) * 0.95;
        let left = if matches!(anchor, HPos::Right) { x - width } else { x };
        self.rectangle(left - 2.0, y - 8.0, left + width, y + 8.0, WHITE)?;
        self.text(text, x, y, 14, INK, anchor)
    }

    /// Draws the lane's name, left of it.
    fn name(&self, text: &str, y: f64, color: RGBColor) -> Drawn {
        self.text(text, LEFT - 12.0, y, 15, color, HPos::Right)
    }
}

/// The approximate width of a drawn text.
fn width_of(text: &str) -> f64 {
    text.chars().map(|_| 8.0).sum()
}

/// Draws the timeline; returns the SVG.
pub(crate) fn draw(timeline: &Timeline) -> Result<String, String> {
    let height: u32 = if timeline.readiness.is_empty() { 560 } else { 660 };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        let canvas = Canvas {
            area,
            from: timeline.from,
            to: timeline.to,
        };
        paint(&canvas, timeline, f64::from(height)).map_err(|error| error.to_string())?;
    }
    Ok(svg)
}

fn paint(canvas: &Canvas<'_>, timeline: &Timeline, height: f64) -> Drawn {
    canvas.area.fill(&WHITE)?;
    canvas.text(&timeline.title, 20.0, 26.0, 21, INK, HPos::Left)?;
    let range = format!(
        "{} to {}, UTC",
        clock(timeline.from, "%Y-%m-%d %H:%M:%S"),
        clock(timeline.to, "%Y-%m-%d %H:%M:%S")
    );
    canvas.text(&range, 20.0, 50.0, 14, FAINT, HPos::Left)?;
    legend(canvas)?;
    let bottom = height - 40.0;
    axis(canvas, 72.0, bottom)?;

    canvas.name("active", 97.0, INK)?;
    canvas.rectangle(LEFT, 80.0, RIGHT, 114.0, NOTHING)?;
    for span in &timeline.active {
        let (left, right) = (canvas.x(span.from), canvas.x(span.to));
        canvas.rectangle(left, 80.0, right, 114.0, of(span.what))?;
        let name = span.what.as_str();
        if right - left > width_of(name) + 12.0 {
            canvas.text(name, left.midpoint(right), 97.0, 16, WHITE, HPos::Center)?;
        }
    }
    for (color, top) in [(Color::Blue, 126.0), (Color::Green, 154.0)] {
        canvas.name(&format!("{color} health"), top + 11.0, of(color))?;
        canvas.rectangle(LEFT, top, RIGHT, top + 22.0, NOTHING)?;
        for span in timeline.healthy.of(color) {
            let fill = if span.what { WELL } else { ILL };
            canvas.rectangle(canvas.x(span.from), top, canvas.x(span.to), top + 22.0, fill)?;
        }
    }
    heartbeats(canvas, timeline, 196.0, 336.0)?;
    canvas.name("transitions", 376.0, INK)?;
    for mark in &timeline.transitions {
        if canvas.shows(mark.at) {
            canvas.dashes(canvas.x(mark.at), 74.0, bottom, INK)?;
        }
    }
    marks(canvas, &timeline.transitions, 358.0)?;
    canvas.name("failover blocked", 431.0, INK)?;
    blocked(canvas, &timeline.blocked, 420.0)?;
    canvas.name("drills", 490.0, INK)?;
    marks(canvas, &timeline.drills, 471.0)?;
    if !timeline.readiness.is_empty() {
        readiness(canvas, &timeline.readiness, 530.0, 610.0)?;
    }
    canvas.area.present()
}

fn legend(canvas: &Canvas<'_>) -> Drawn {
    let mut x = RIGHT;
    for (name, fill) in [("no data", NOTHING), ("not healthy", ILL), ("healthy", WELL)] {
        x -= width_of(name);
        canvas.text(name, x, 26.0, 14, FAINT, HPos::Left)?;
        x -= 20.0;
        canvas.rectangle(x, 19.0, x + 14.0, 33.0, FAINT)?;
        canvas.rectangle(x + 1.0, 20.0, x + 13.0, 32.0, fill)?;
        x -= 16.0;
    }
    Ok(())
}

/// Steps between the times below, in seconds.
const STEPS: [f64; 15] = [
    5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0, 604_800.0,
];

fn axis(canvas: &Canvas<'_>, top: f64, bottom: f64) -> Drawn {
    let length = canvas.to - canvas.from;
    let step = STEPS
        .iter()
        .copied()
        .find(|step| length / step <= 12.0)
        .unwrap_or(length.max(1.0) / 8.0);
    let form = match step {
        step if step < 60.0 => "%H:%M:%S",
        step if step < 86400.0 => "%H:%M",
        _ => "%m-%d",
    };
    let mut at = (canvas.from / step).ceil() * step;
    while at <= canvas.to {
        let x = canvas.x(at);
        canvas.line(&[(x, top), (x, bottom)], GRID, 1)?;
        // In a longer picture, the label shows the date where a day begins.
        let is_midnight = at.rem_euclid(86400.0) < 1.0 && length > 7200.0;
        let text = clock(at, if is_midnight { "%m-%d" } else { form });
        canvas.text(&text, x, bottom + 16.0, 14, FAINT, HPos::Center)?;
        at += step;
    }
    canvas.line(&[(LEFT, bottom), (RIGHT, bottom)], FAINT, 1)
}

#[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
fn clock(at: f64, form: &str) -> String {
    Timestamp::from_second(at as i64)
        .map(|at| at.strftime(form).to_string())
        .unwrap_or_default()
}

fn heartbeats(canvas: &Canvas<'_>, timeline: &Timeline, top: f64, bottom: f64) -> Drawn {
    canvas.name("scheduler", top.midpoint(bottom) - 18.0, INK)?;
    canvas.name("heartbeats", top.midpoint(bottom), INK)?;
    canvas.text(
        &timeline.heartbeat_unit,
        LEFT - 12.0,
        top.midpoint(bottom) + 18.0,
        13,
        FAINT,
        HPos::Right,
    )?;
    let all = [&timeline.heartbeats.blue, &timeline.heartbeats.green];
    let most = all
        .iter()
        .flat_map(|points| points.iter())
        .map(|(_, value)| *value)
        .fold(1.0, f64::max)
        * 1.1;
    let y = |value: f64| bottom - (value / most) * (bottom - top);
    canvas.line(&[(LEFT, bottom), (RIGHT, bottom)], FAINT, 1)?;
    canvas.text("0", LEFT - 3.0, bottom - 6.0, 12, FAINT, HPos::Right)?;
    let highest = most / 1.1;
    canvas.text(&format!("{highest:.0}"), LEFT - 3.0, y(highest), 12, FAINT, HPos::Right)?;
    canvas.line(&[(LEFT, y(highest)), (RIGHT, y(highest))], GRID, 1)?;
    if all.iter().all(|points| points.is_empty()) {
        return canvas.text(
            "no data",
            LEFT.midpoint(RIGHT),
            top.midpoint(bottom),
            15,
            FAINT,
            HPos::Center,
        );
    }
    // One line is slightly above the other: equal heartbeats must both be visible.
    for (color, lift) in [(Color::Blue, 4.0), (Color::Green, 0.0)] {
        let points = timeline.heartbeats.of(color);
        for (index, run) in runs(points).iter().enumerate() {
            let line: Vec<(f64, f64)> = run
                .iter()
                .map(|(at, value)| (canvas.x(*at), y(*value) - lift))
                .collect();
            canvas.line(&line, of(color), 2)?;
            let Some((x, y)) = line.first().copied() else { continue };
            if line.len() == 1 {
                canvas.rectangle(x - 2.0, y - 2.0, x + 2.0, y + 2.0, of(color))?;
            }
            if index == 0 {
                let place = if color == Color::Blue { -14.0 } else { 14.0 };
                canvas.text(
                    color.as_str(),
                    (x + 6.0).min(RIGHT - 40.0),
                    (y + place).clamp(top, bottom - 8.0),
                    14,
                    of(color),
                    HPos::Left,
                )?;
            }
        }
    }
    Ok(())
}

/// Splits the points where some are missing: a missing heartbeat is a gap, not a straight line.
fn runs(points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
    let mut distances: Vec<f64> = points
        .iter()
        .zip(points.iter().skip(1))
        .map(|(one, next)| next.0 - one.0)
        .collect();
    distances.sort_by(f64::total_cmp);
    let usual = distances.get(distances.len() / 2).copied().unwrap_or(60.0);
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    for point in points {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| point.0 - last.0 <= usual * 2.5) => run.push(*point),
            _ => runs.push(vec![*point]),
        }
    }
    runs
}

/// Draws marks in three rows, so that neighboring labels do not overlap.
fn marks(canvas: &Canvas<'_>, marks: &[Mark], top: f64) -> Drawn {
    let mut taken = [f64::MIN; 3];
    for mark in marks.iter().filter(|mark| canvas.shows(mark.at)) {
        let (x, width) = (canvas.x(mark.at), width_of(&mark.label) + 14.0);
        let to_the_left = x + width > RIGHT;
        let begins = if to_the_left { x - width } else { x - 8.0 };
        let row = taken.iter().position(|taken| *taken < begins);
        let y = top + [0.0, 20.0, 40.0].get(row.unwrap_or(0)).copied().unwrap_or(0.0);
        canvas.diamond(x, y, if mark.good { INK } else { ILL })?;
        let Some(taken) = row.and_then(|row| taken.get_mut(row)) else {
            continue;
        };
        *taken = begins + width + 12.0;
        let (x, side) = if to_the_left {
            (x - 11.0, HPos::Right)
        } else {
            (x + 11.0, HPos::Left)
        };
        canvas.label(&mark.label, x, y, side)?;
    }
    Ok(())
}

fn blocked(canvas: &Canvas<'_>, spans: &[Span<String>], top: f64) -> Drawn {
    let mut taken = [f64::MIN, f64::MIN];
    for span in spans
        .iter()
        .filter(|span| span.to >= canvas.from && span.from <= canvas.to)
    {
        let (left, right) = (canvas.x(span.from), canvas.x(span.to).max(canvas.x(span.from) + 4.0));
        let width = width_of(&span.what) + 8.0;
        let to_the_left = right + width > RIGHT;
        let begins = if to_the_left { left - width } else { left };
        let row = taken.iter().position(|taken| *taken < begins);
        let y = top + if row == Some(1) { 24.0 } else { 0.0 };
        canvas.rectangle(left, y + 4.0, right, y + 18.0, AMBER)?;
        let Some(taken) = row.and_then(|row| taken.get_mut(row)) else {
            continue;
        };
        *taken = if to_the_left { right } else { right + width } + 8.0;
        let (x, side) = if to_the_left {
            (left - 6.0, HPos::Right)
        } else {
            (right + 6.0, HPos::Left)
        };
        canvas.label(&span.what, x, y + 11.0, side)?;
    }
    Ok(())
}

fn readiness(canvas: &Canvas<'_>, points: &[(f64, f64)], top: f64, bottom: f64) -> Drawn {
    canvas.name("readiness", top.midpoint(bottom), INK)?;
    let y = |value: f64| bottom - value.clamp(0.0, 100.0) / 100.0 * (bottom - top);
    for value in [0.0, 100.0] {
        canvas.line(&[(LEFT, y(value)), (RIGHT, y(value))], GRID, 1)?;
        canvas.text(&format!("{value:.0}"), LEFT - 3.0, y(value), 12, FAINT, HPos::Right)?;
    }
    let line: Vec<(f64, f64)> = points.iter().map(|(at, value)| (canvas.x(*at), y(*value))).collect();
    canvas.line(&line, INK, 2)?;
    for (x, y) in line {
        canvas.rectangle(x - 2.0, y - 2.0, x + 2.0, y + 2.0, INK)?;
    }
    Ok(())
}

/// Consecutive data of a state as spans: a datum is valid until the next one, but not longer than `lasts`.
pub(crate) fn spans<T: PartialEq + Clone>(points: &[(f64, T)], lasts: f64, end: f64) -> Vec<Span<T>> {
    let mut spans: Vec<Span<T>> = Vec::new();
    for (index, (at, what)) in points.iter().enumerate() {
        let next = points.get(index.saturating_add(1)).map_or(end, |next| next.0);
        let to = next.min(at + lasts).max(*at);
        match spans.last_mut() {
            Some(last) if last.what == *what && *at - last.to < 0.5 => last.to = to,
            _ => spans.push(Span {
                from: *at,
                to,
                what: what.clone(),
            }),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span<T>(from: u32, to: u32, what: T) -> Span<T> {
        Span {
            from: f64::from(from) * 60.0,
            to: f64::from(to) * 60.0,
            what,
        }
    }

    fn timeline() -> Timeline {
        let beats = |silent: std::ops::Range<u32>| {
            (0..60)
                .filter(|minute| !silent.contains(minute))
                .map(|minute| (f64::from(minute) * 60.0, 12.0))
                .collect::<Vec<_>>()
        };
        Timeline {
            title: "orders".into(),
            from: 0.0,
            to: 3600.0,
            active: vec![span(0, 22, Color::Blue), span(22, 60, Color::Green)],
            healthy: Both {
                blue: vec![span(0, 20, true), span(20, 60, false)],
                green: vec![span(0, 60, true)],
            },
            heartbeats: Both {
                blue: beats(20..60),
                green: beats(60..60),
            },
            heartbeat_unit: "a minute".into(),
            transitions: vec![Mark {
                at: 1320.0,
                label: "failover, 124 s".into(),
                good: true,
            }],
            blocked: vec![Span {
                from: 1200.0,
                to: 1320.0,
                what: "standby-unknown".into(),
            }],
            drills: vec![Mark {
                at: 3500.0,
                label: "succeeded".into(),
                good: true,
            }],
            readiness: vec![(0.0, 97.0), (3000.0, 40.0)],
        }
    }

    #[test]
    fn the_picture_says_what_happened() {
        let svg = draw(&timeline()).unwrap();
        for part in [
            "failover, 124 s",
            "standby-unknown",
            "succeeded",
            "blue health",
            "readiness",
            "00:30",
        ] {
            assert!(svg.contains(part), "{part}");
        }
        assert!(svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn a_datum_holds_until_the_next_but_not_for_ever() {
        let spans = spans(
            &[(0.0, true), (60.0, true), (120.0, false), (900.0, true)],
            300.0,
            960.0,
        );
        let plain: Vec<(f64, f64, bool)> = spans.iter().map(|span| (span.from, span.to, span.what)).collect();
        assert_eq!(plain, [(0.0, 120.0, true), (120.0, 420.0, false), (900.0, 960.0, true)]);
    }

    #[test]
    fn a_silent_heart_is_a_gap() {
        let points: Vec<(f64, f64)> = [0, 60, 120, 600, 660].iter().map(|at| (f64::from(*at), 1.0)).collect();
        assert_eq!(runs(&points).iter().map(Vec::len).collect::<Vec<_>>(), [3, 2]);
        assert!(runs(&[]).is_empty());
    }

    #[test]
    fn nothing_at_all_is_drawn_too() {
        let mut empty = timeline();
        empty.active.clear();
        empty.heartbeats = Both {
            blue: vec![],
            green: vec![],
        };
        empty.to = empty.from;
        assert!(draw(&empty).unwrap().contains("no data"));
    }
}
