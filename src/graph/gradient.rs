//! Reverse-mode differentiation.
//!
//! The contract: a node's gradient rule runs once, when the gradients of all its uses are summed. Nodes are visited
//! from the loss downwards, and every use of a value comes after it, so that this holds by construction.

use super::{Graph, Op, Value, mistake};
use crate::error::Result;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Graph {
    /// Appends what computes the gradient of the mean of `losses`, output 0 of a loss, for each of `values`. Where a
    /// value is used more than once, `accumulate`, an op that adds two values, sums its gradients.
    ///
    /// # Errors
    /// Where `losses` does not come from a loss, one of `values` does not reach it, or an op between has no gradient.
    pub fn gradients(&mut self, losses: Value, values: &[Value], accumulate: Arc<dyn Op>) -> Result<Vec<Value>> {
        let wanted = self.dependents(values);
        let root = self.nodes[losses.node].clone();
        let objective = root.op.as_ref().and_then(|op| op.objective(&root));
        let objective = objective.ok_or_else(|| mistake(format!("{:?} is not a loss", root.op)))?;
        let mut gradients = BTreeMap::new();
        let first = std::mem::take(&mut self.scope);
        self.scope = format!("{} gradient", root.scope);
        self.add_up(&mut gradients, &root.inputs, objective, &accumulate)?;
        for number in (0..losses.node).rev() {
            let node = self.nodes[number].clone();
            let (Some(op), Some(&upstream)) = (&node.op, gradients.get(&node.outputs[0])) else { continue };
            if !wanted[number] {
                continue;
            }
            self.scope = format!("{} gradient", node.scope);
            let of_inputs = op.gradient(self, &node, upstream)?;
            self.add_up(&mut gradients, &node.inputs, of_inputs, &accumulate)?;
        }
        self.scope = first;
        let found = |value: &Value| {
            let missing = || mistake(format!("a value of shape {} does not reach the loss", self.shape(*value)));
            gradients.get(value).copied().ok_or_else(missing)
        };
        values.iter().map(found).collect()
    }

    /// Adds the gradients that one use gave its inputs to those of earlier visits.
    fn add_up(
        &mut self,
        gradients: &mut BTreeMap<Value, Value>,
        inputs: &[Value],
        of_inputs: Vec<Option<Value>>,
        accumulate: &Arc<dyn Op>,
    ) -> Result<()> {
        for (&input, gradient) in inputs.iter().zip(of_inputs) {
            let Some(gradient) = gradient else { continue };
            if self.ty(gradient) != self.ty(input) {
                let (found, expected) = (self.ty(gradient), self.ty(input));
                return Err(mistake(format!("{}: a gradient is {found}, its value {expected}", self.scope)));
            }
            let sum = match gradients.get(&input) {
                Some(&other) => self.apply_shared(accumulate.clone(), &[other, gradient])?,
                None => gradient,
            };
            gradients.insert(input, sum);
        }
        Ok(())
    }

    /// For each node, whether it depends on one of `values`.
    fn dependents(&self, values: &[Value]) -> Vec<bool> {
        let mut depends = vec![false; self.nodes.len()];
        values.iter().for_each(|value| depends[value.node] = true);
        for (number, node) in self.nodes.iter().enumerate() {
            depends[number] |= node.inputs.iter().any(|input| depends[input.node]);
        }
        depends
    }
}
