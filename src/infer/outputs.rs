//! What a model gives for some rows.

/// The outputs of a model for some rows, one row after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    columns: usize,
    logits: Vec<f32>,
    probabilities: Vec<f32>,
}

impl Outputs {
    /// Those of no rows yet, of `columns` numbers each.
    pub fn new(columns: usize) -> Self {
        Self { columns, logits: Vec::new(), probabilities: Vec::new() }
    }

    /// Appends rows.
    pub(super) fn extend(&mut self, logits: &[f32], probabilities: &[f32]) {
        self.logits.extend_from_slice(logits);
        self.probabilities.extend_from_slice(probabilities);
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.logits.len() / self.columns.max(1)
    }

    /// How many numbers a row has, such as one for each class.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// What the last layer gave, `[rows, columns]`.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// The softmax of each row of [`Self::logits`], `[rows, columns]`.
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// The column of the largest logit of each row, the first one of equals: as the device counts right answers.
    pub fn classes(&self) -> Vec<usize> {
        let best = |row: &[f32]| (1..row.len()).fold(0, |best, j| if row[j] > row[best] { j } else { best });
        self.logits.chunks_exact(self.columns.max(1)).map(best).collect()
    }
}
