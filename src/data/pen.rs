//! A round pen on a small canvas: every pixel keeps its distance to the nearest edge of the ink.

/// Width and height of the canvas in pixels.
pub(super) const SIDE: usize = 28;

/// A point of a line, in pixels, and the radius of the pen there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dot {
    /// Distance from the left edge.
    pub(super) x: f32,
    /// Distance from the upper edge.
    pub(super) y: f32,
    /// Radius of the pen.
    pub(super) radius: f32,
}

/// The canvas: distance from the centre of each pixel to the edge of the ink, negative inside.
pub(super) struct Canvas {
    distance: [f32; SIDE * SIDE],
    reach: f32,
}

impl Canvas {
    /// An empty canvas; distances beyond `reach` are not kept, because no ink shows there.
    pub(super) fn new(reach: f32) -> Self {
        Self { distance: [reach; SIDE * SIDE], reach }
    }

    /// Draws a straight line; the radius changes evenly along it.
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

    /// How much ink each pixel has, 0 to 1: full inside, none beyond `softness` from the edge, smooth between.
    pub(super) fn ink(&self, softness: f32) -> impl Iterator<Item = f32> {
        let scale = 0.5 / softness;
        self.distance.iter().map(move |distance| {
            let t = (0.5 - distance * scale).clamp(0.0, 1.0);
            t * t * (3.0 - 2.0 * t)
        })
    }
}

/// The pixels whose centres may lie in `low..high`, none outside the canvas.
fn pixels(low: f32, high: f32) -> std::ops::Range<usize> {
    // Conversion from float saturates at zero.
    low as usize..(high as usize + 1).min(SIDE)
}
