//! Shapes that stand for one thing each. Each differs from the others in shape as well as in colour.

use crate::format::coordinate as c;

/// A shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// ●
    Disc,
    /// ○
    Ring,
    /// ◐
    Half,
    /// ×
    Cross,
    /// ▫
    Square,
    /// ▽
    Stopped,
    /// ◇
    Diamond,
    /// ▲ at the upper edge: the value lies above the axis.
    Above,
    /// ▼ at the lower edge: the value lies below the axis.
    Below,
}

/// Returns a shape around a point, `r` its half width.
pub(crate) fn draw(shape: Shape, x: f64, y: f64, r: f64) -> String {
    match shape {
        Shape::Disc => format!(
            "<circle class=\"solid\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
            c(x),
            c(y),
            c(r)
        ),
        Shape::Ring => format!(
            "<circle class=\"hollow\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
            c(x),
            c(y),
            c(r)
        ),
        Shape::Half => format!(
            "<circle class=\"hollow\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>\
             <path class=\"solid\" d=\"M{x} {top}A{r} {r} 0 0 0 {x} {bottom}Z\"/>",
            x = c(x),
            y = c(y),
            r = c(r),
            top = c(y - r),
            bottom = c(y + r),
        ),
        Shape::Cross => {
            let d = r * 0.85;
            format!(
                "<path class=\"stroke\" d=\"M{l} {t}L{r} {b}M{l} {b}L{r} {t}\"/>",
                l = c(x - d),
                r = c(x + d),
                t = c(y - d),
                b = c(y + d),
            )
        }
        Shape::Square => format!(
            "<path class=\"hollow\" d=\"M{l} {t}H{r}V{b}H{l}Z\"/>",
            l = c(x - r * 0.8),
            r = c(x + r * 0.8),
            t = c(y - r * 0.8),
            b = c(y + r * 0.8),
        ),
        Shape::Stopped => format!(
            "<path class=\"hollow\" d=\"M{l} {t}H{r}L{x} {b}Z\"/>",
            x = c(x),
            l = c(x - r),
            r = c(x + r),
            t = c(y - r * 0.8),
            b = c(y + r * 0.9),
        ),
        Shape::Diamond => format!(
            "<path class=\"hollow\" d=\"M{x} {t}L{r} {y}L{x} {b}L{l} {y}Z\"/>",
            x = c(x),
            y = c(y),
            l = c(x - r),
            r = c(x + r),
            t = c(y - r),
            b = c(y + r),
        ),
        Shape::Above | Shape::Below => {
            let way = if shape == Shape::Above { -1.0 } else { 1.0 };
            format!(
                "<path class=\"hollow\" d=\"M{l} {b}L{x} {t}L{r} {b}Z\"/>",
                x = c(x),
                l = c(x - r),
                r = c(x + r),
                t = c(y + way * r),
                b = c(y - way * r * 0.7),
            )
        }
    }
}
