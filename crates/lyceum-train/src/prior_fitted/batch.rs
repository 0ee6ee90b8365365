//! Data sets as rows of numbers.

use super::attention::Shape;
use super::columns::{self, COLUMN_FEATURES};

/// Numbers from which a token is made: value, whether it is known, whether it is asked for, the sizes of the question,
/// and the noise where it is known.
pub(super) const TOKEN_INPUTS: usize = 7;

/// Noise beyond this many standard deviations of the values says nothing more.
const NOISE_MAX: f32 = 3.0;

/// Points with their values, and points whose values are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataSet {
    /// Columns of the inputs; at least 1.
    pub columns: usize,
    /// Inputs of the known points, row after row, each in `[0, 1]`; at least one row.
    pub inputs: Vec<f32>,
    /// Their values, of mean 0 and variance 1.
    pub values: Vec<f32>,
    /// Standard deviation of the noise of each value in the same units; `None` where nobody knows it.
    pub noise: Option<f32>,
    /// Inputs of the points that are asked for.
    pub questions: Vec<f32>,
}

/// Data sets that go through the network together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    shapes: Vec<Shape>,
    firsts: Vec<usize>,
    rows: usize,
    tokens: Vec<f32>,
    squares: Vec<Vec<f32>>,
    columns: Vec<f32>,
}

impl Batch {
    /// Returns the batch of these data sets.
    ///
    /// # Panics
    ///
    /// Where a data set has no column, no known point, or rows that are not whole.
    pub fn new(sets: &[DataSet]) -> Self {
        let mut batch = Self::default();
        for set in sets {
            batch.push(set);
        }
        batch
    }

    fn push(&mut self, set: &DataSet) {
        let (columns, known) = (set.columns, set.values.len());
        assert!(
            columns > 0 && known > 0,
            "a data set has columns and known points"
        );
        assert_eq!(set.inputs.len(), known * columns, "one value a row");
        assert!(set.questions.len().is_multiple_of(columns), "whole rows");
        let rows = known + set.questions.len() / columns;
        let all = set
            .inputs
            .chunks_exact(columns)
            .chain(set.questions.chunks_exact(columns));
        let mut squares = vec![0.0; columns * rows * known];
        for (row, point) in all.enumerate() {
            for (other, there) in set.inputs.chunks_exact(columns).enumerate() {
                for (column, (a, b)) in point.iter().zip(there).enumerate() {
                    squares[(column * rows + row) * known + other] = (a - b) * (a - b);
                }
            }
        }
        let sizes = [(known as f32 + 1.0).ln() / 4.0, (columns as f32).ln() / 2.0];
        let noise = match set.noise {
            Some(noise) => [noise.clamp(0.0, NOISE_MAX), 1.0],
            None => [0.0, 0.0],
        };
        for row in 0..rows {
            let value = set.values.get(row);
            let known = f32::from(value.is_some());
            self.tokens
                .extend([value.copied().unwrap_or(0.0), known, 1.0 - known]);
            self.tokens.extend(sizes);
            self.tokens.extend(noise);
        }
        columns::describe(&set.inputs, columns, &set.values, &mut self.columns);
        self.shapes.push(Shape {
            rows,
            known,
            columns,
        });
        self.firsts.push(self.rows);
        self.rows += rows;
        self.squares.push(squares);
    }

    /// Returns the number of rows of all data sets.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the first row and the shape of each data set.
    pub(super) fn sets(&self) -> impl Iterator<Item = (usize, Shape)> {
        self.firsts.iter().copied().zip(self.shapes.iter().copied())
    }

    pub(super) fn tokens(&self) -> &[f32] {
        &self.tokens
    }

    pub(super) fn squares(&self, set: usize) -> &[f32] {
        &self.squares[set]
    }

    /// Returns the features of all columns, [`COLUMN_FEATURES`] each.
    pub(super) fn columns(&self) -> &[f32] {
        &self.columns
    }

    /// Returns how many columns all data sets have.
    pub(super) fn column_count(&self) -> usize {
        self.columns.len() / COLUMN_FEATURES
    }
}
