//! Reverse-mode differentiation.
//!
//! Contract: a node's gradient rule runs once, after the gradients of all uses of all its outputs have been summed.
//! Nodes are visited from the last seed backward, and every use of a value comes after it, so this holds by
//! construction.

use super::{Graph, Op, Value, mistake};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Graph {
    /// The seeds of a loss: each input of the op that produced `losses`, with the gradient of the mean of `losses`.
    ///
    /// # Errors
    /// If `losses` is not output 0 of a loss.
    pub fn seeds(&self, losses: Value) -> Result<Vec<(Value, Value)>> {
        let node = &self.nodes[losses.node];
        let objective = node.op.as_ref().filter(|_| losses.output == 0).and_then(|op| op.objective(node));
        let objective = objective.ok_or_else(|| mistake(format!("{} is not a loss", node.name())))?;
        Ok(node.inputs.iter().zip(objective).filter_map(|(&input, gradient)| Some((input, gradient?))).collect())
    }

    /// Appends ops that compute, for each value of `of`, the sum over all `seeds` (output, G) of the gradient of
    /// <output, G>: with G = dL/d(output), the gradient of L. `None` for a value that does not reach a seed.
    ///
    /// Seeds may be any number of values of any type, including repeated ones; [`Self::seeds`] returns those of a loss.
    /// `accumulate`, an op that adds two values, sums the gradients of a value that is used more than once.
    ///
    /// # Errors
    /// If a gradient's type differs from its value's, or an op in between has no gradient (names the op).
    pub fn gradients(
        &mut self,
        seeds: &[(Value, Value)],
        of: &[Value],
        accumulate: Arc<dyn Op>,
    ) -> Result<Vec<Option<Value>>> {
        let scope = std::mem::take(&mut self.scope);
        let wanted = self.dependents(of);
        let mut gradients = BTreeMap::new();
        for &(output, gradient) in seeds {
            self.scope = format!("{} gradient", self.nodes[output.node].scope);
            self.add_up(&mut gradients, output, gradient, &accumulate)?;
        }
        let last = seeds.iter().map(|(output, _)| output.node + 1).max().unwrap_or(0);
        for number in (0..last).rev() {
            let node = self.nodes[number].clone();
            let upstream: Vec<_> = node.outputs.iter().map(|output| gradients.get(output).copied()).collect();
            let on_the_way = node.inputs.iter().any(|input| wanted.contains(input));
            let Some(op) = node.op.as_ref().filter(|_| on_the_way && upstream.iter().any(Option::is_some)) else {
                continue;
            };
            self.scope = format!("{} gradient", node.scope);
            let of_inputs = op.gradient(self, &node, &upstream)?;
            for (&input, gradient) in node.inputs.iter().zip(of_inputs) {
                if let Some(gradient) = gradient {
                    self.add_up(&mut gradients, input, gradient, &accumulate)?;
                }
            }
        }
        self.scope = scope;
        Ok(of.iter().map(|value| gradients.get(value).copied()).collect())
    }

    /// Adds a gradient of `value` to those found so far.
    fn add_up(
        &mut self,
        gradients: &mut BTreeMap<Value, Value>,
        value: Value,
        gradient: Value,
        accumulate: &Arc<dyn Op>,
    ) -> Result<()> {
        if self.ty(gradient) != self.ty(value) {
            let (found, expected) = (self.ty(gradient), self.ty(value));
            return Err(mistake(format!("{}: a gradient has type {found}, its value {expected}", self.scope)));
        }
        let sum = match gradients.get(&value) {
            Some(&other) => self.apply_shared(accumulate.clone(), &[other, gradient])?,
            None => gradient,
        };
        gradients.insert(value, sum);
        Ok(())
    }

    /// The values of `of`, and everything that depends on one of them.
    fn dependents(&self, of: &[Value]) -> BTreeSet<Value> {
        let mut depend: BTreeSet<Value> = of.iter().copied().collect();
        for node in &self.nodes {
            if node.inputs.iter().any(|input| depend.contains(input)) {
                depend.extend(&node.outputs);
            }
        }
        depend
    }
}
