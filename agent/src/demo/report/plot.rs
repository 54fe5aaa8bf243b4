//! One chart as SVG, with a legend.

use std::{fmt::Write as _, time::Duration};

use anyhow::Context as _;
use plotters::prelude::*;

/// Points in seconds and the chart's unit.
pub(super) type Points = Vec<(f64, f64)>;

/// A line of a chart, or a layer of its stack.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) colour: RGBColor,
    pub(super) points: Points,
}

/// What a chart shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Chart {
    pub(super) unit: &'static str,
    /// Layers, drawn on top of each other from the bottom.
    pub(super) stack: Vec<Series>,
    /// Lines, drawn over the stack.
    pub(super) lines: Vec<Series>,
    /// Moments with a name.
    pub(super) marks: Vec<(Duration, &'static str)>,
    /// The right end of the time axis.
    pub(super) until: Duration,
}

const SIZE: (u32, u32) = (900, 300);
/// More layers than this make the legend longer than the chart.
const NAMED_MAX: usize = 8;

impl Chart {
    /// Draws it, with its legend above: HTML that stands by itself.
    pub(super) fn html(&self) -> anyhow::Result<String> {
        let mut svg = String::new();
        self.draw(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area()).context("cannot draw a chart")?;
        Ok(self.legend() + &svg)
    }

    fn legend(&self) -> String {
        let mut html = String::from("<p class=legend>");
        let named = self.stack.iter().take(NAMED_MAX).chain(&self.lines).filter(|series| !series.name.is_empty());
        for Series { name, colour: RGBColor(red, green, blue), .. } in named {
            let _ = write!(html, "<span><i style=\"background:rgb({red},{green},{blue})\"></i>{name}</span> ");
        }
        if self.stack.len() > NAMED_MAX {
            let _ = write!(html, "<span>and {} more</span>", self.stack.len() - NAMED_MAX);
        }
        html + "</p>"
    }

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> anyhow::Result<()> {
        let fault = |error: DrawingAreaErrorKind<std::io::Error>| anyhow::anyhow!("{error}");
        let layers = self.layers();
        let points = self.lines.iter().map(|line| &line.points).chain(layers.last().map(|layer| &layer.points));
        let highest = points.flatten().map(|point| point.1).fold(0.0_f64, f64::max);
        let top = if highest > 0.0 { highest * 1.1 } else { 1.0 };
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .x_label_area_size(26)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0..self.until.as_secs_f64(), 0.0..top)
            .map_err(fault)?;
        let light = RGBColor(225, 228, 232);
        chart.configure_mesh().light_line_style(WHITE).bold_line_style(light).y_desc(self.unit).x_desc("seconds").draw().map_err(fault)?;
        // The highest sum first: each lower one covers what it shares with it.
        for layer in layers.iter().rev() {
            chart.draw_series(AreaSeries::new(layer.points.iter().copied(), 0.0, layer.colour)).map_err(fault)?;
        }
        for line in &self.lines {
            chart.draw_series(LineSeries::new(line.points.iter().copied(), line.colour.stroke_width(2))).map_err(fault)?;
        }
        let grey = RGBColor(120, 126, 134);
        for (number, (at, name)) in self.marks.iter().enumerate() {
            // Moments may be close to each other: their names stand on rows of their own.
            let (at, height) = (at.as_secs_f64(), top * (0.99 - 0.06 * number as f64));
            chart.draw_series([PathElement::new([(at, 0.0), (at, top)], grey.stroke_width(1))]).map_err(fault)?;
            chart
                .draw_series([Text::new(
                    *name,
                    (at + self.until.as_secs_f64() * 0.004, height),
                    ("sans-serif", 11).into_font().color(&grey),
                )])
                .map_err(fault)?;
        }
        area.present().map_err(fault)
    }

    /// The stack's layers as sums of all up to each.
    fn layers(&self) -> Vec<Series> {
        let mut sums: Points = Vec::new();
        let mut layers = Vec::new();
        for series in &self.stack {
            if sums.is_empty() {
                sums = series.points.iter().map(|point| (point.0, 0.0)).collect();
            }
            for (sum, point) in sums.iter_mut().zip(&series.points) {
                sum.1 += point.1;
            }
            layers.push(Series { name: series.name.clone(), colour: series.colour, points: sums.clone() });
        }
        layers
    }
}

/// A colour for the helper `at` of `count`: greens from dark to light, told apart from the owner's blue and the origin's red.
pub(super) fn helper_colour(at: usize, count: usize) -> RGBColor {
    let share = at as f64 / count.max(2).saturating_sub(1) as f64;
    let (red, green, blue) = HSLColor(0.30 + 0.16 * share, 0.55, 0.30 + 0.38 * share).rgb();
    RGBColor(red, green, blue)
}
