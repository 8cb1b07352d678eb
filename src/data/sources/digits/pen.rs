//! A round pen on a small canvas that stores each pixel's distance to the nearest edge of the ink.

/// Width and height of the canvas in pixels.
pub(super) const SIDE: usize = 28;

/// A point of a line in pixels, with the pen's radius.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dot {
    /// Distance from the left edge.
    pub(super) x: f32,
    /// Distance from the upper edge.
    pub(super) y: f32,
    /// Radius of the pen.
    pub(super) radius: f32,
}

/// The canvas: distance from each pixel center to the edge of the ink, negative inside.
pub(super) struct Canvas {
    distance: [f32; SIDE * SIDE],
    reach: f32,
}

impl Canvas {
    /// An empty canvas; distances beyond `reach` are not stored, since no ink shows there.
    pub(super) fn new(reach: f32) -> Self {
        Self { distance: [reach; SIDE * SIDE], reach }
    }

    /// Draws a straight line with linearly changing radius.
    pub(super) fn line(&mut self, a: Dot, b: Dot) {
        let (dx, dy, dr) = (b.x - a.x, b.y - a.y, b.radius - a.radius);
        let length2 = dx * dx + dy * dy;
        let scale = if length2 > 0.0 { 1.0 / length2 } else { 0.0 };
        let margin = a.radius.max(b.radius) + self.reach;
        let columns = pixels(a.x.min(b.x) - margin, a.x.max(b.x) + margin);
        for row in pixels(a.y.min(b.y) - margin, a.y.max(b.y) + margin) {
            let py = row as f32 + 0.5 - a.y;
            let line = &mut self.distance[row * SIDE..][..SIDE];
            for column in columns.clone() {
                let px = column as f32 + 0.5 - a.x;
                let t = ((px * dx + py * dy) * scale).clamp(0.0, 1.0);
                let (ex, ey) = (px - t * dx, py - t * dy);
                let distance = (ex * ex + ey * ey).sqrt() - (a.radius + t * dr);
                line[column] = line[column].min(distance);
            }
        }
    }

    /// Ink per pixel from 0 to 1: full inside, none beyond `softness` from the edge, smooth in between.
    pub(super) fn ink(&self, softness: f32) -> impl Iterator<Item = f32> {
        let scale = 0.5 / softness;
        self.distance.iter().map(move |distance| {
            let t = (0.5 - distance * scale).clamp(0.0, 1.0);
            t * t * (3.0 - 2.0 * t)
        })
    }
}

/// The pixels whose centers may be in `low..high`, clipped to the canvas.
fn pixels(low: f32, high: f32) -> std::ops::Range<usize> {
    // Float-to-integer conversion saturates at zero.
    low as usize..(high as usize + 1).min(SIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(a: (f32, f32, f32), b: (f32, f32, f32), softness: f32) -> Vec<f32> {
        let dot = |(x, y, radius)| Dot { x, y, radius };
        let mut canvas = Canvas::new(softness);
        canvas.line(dot(a), dot(b));
        canvas.ink(softness).collect()
    }

    #[test]
    fn a_line_has_round_ends_and_soft_edges() {
        let ink = drawn((8.5, 10.5, 2.0), (18.5, 10.5, 2.0), 1.0);
        let at = |x: usize, y: usize| ink[y * SIDE + x];
        assert_eq!((at(12, 10), at(12, 11)), (1.0, 1.0), "inside");
        assert_eq!((at(12, 12), at(12, 8), at(6, 10), at(20, 10)), (0.5, 0.5, 0.5, 0.5), "on the edge");
        assert_eq!((at(12, 13), at(12, 7), at(5, 10), at(21, 10)), (0.0, 0.0, 0.0, 0.0), "outside");
        assert!(at(6, 8) < 0.1 && at(7, 9) > 0.5, "the end is round");
    }

    #[test]
    fn the_radius_changes_evenly_along_a_line() {
        let ink = drawn((14.5, 4.5, 1.0), (14.5, 24.5, 5.0), 0.5);
        let width = |y: usize| ink[y * SIDE..][..SIDE].iter().sum::<f32>();
        assert_eq!(width(14), 6.0, "radius 3 in the middle");
        assert!(width(6) < 4.0 && width(22) > 8.0);
    }

    #[test]
    fn what_lies_outside_the_canvas_is_not_drawn() {
        assert_eq!(drawn((-50.0, -50.0, 2.0), (-40.0, 300.0, 2.0), 1.0).iter().sum::<f32>(), 0.0);
        assert!(drawn((14.5, 14.5, 2.0), (14.5, 14.5, 2.0), 1.0)[14 * SIDE + 14] == 1.0, "a dot is a line too");
    }
}
