//! Passes from graph to graph: what nobody needs is dropped, what is computed twice is computed once, and ops that
//! their producer's kernel can apply on the way to memory are fused into it.

use super::{Graph, Node, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Graph {
    /// The graph that computes `roots` with as few operations as the passes find, and the roots in it.
    pub fn simplify(&self, roots: &[Value]) -> (Self, Vec<Value>) {
        // The dead go first, so that they do not count as uses.
        let (graph, roots) = self.without_dead(roots);
        let (graph, roots) = graph.without_repetition(&roots);
        let (graph, roots) = graph.fused(&roots);
        graph.without_dead(&roots)
    }

    /// Drops the nodes that no root depends on.
    fn without_dead(&self, roots: &[Value]) -> (Self, Vec<Value>) {
        let mut live = vec![false; self.nodes.len()];
        roots.iter().for_each(|root| live[root.node] = true);
        for (number, node) in self.nodes.iter().enumerate().rev() {
            if live[number] {
                node.inputs.iter().for_each(|input| live[input.node] = true);
            }
        }
        self.rebuilt(roots, |number, node, _| if live[number] { Kept::Node(node.clone()) } else { Kept::Nothing })
    }

    /// Lets equal ops on equal inputs be one, but for those that change state. Ops are equal where they print alike.
    fn without_repetition(&self, roots: &[Value]) -> (Self, Vec<Value>) {
        let mut known: BTreeMap<(String, Vec<Value>), usize> = BTreeMap::new();
        self.rebuilt(roots, |_, node, graph| {
            if node.op.as_ref().is_some_and(|op| op.mutates()) {
                return Kept::Node(node.clone());
            }
            let print = node.op.as_ref().map_or_else(|| format!("leaf {:?}", node.slot), |op| format!("{op:?}"));
            match known.entry((print, node.inputs.clone())) {
                std::collections::btree_map::Entry::Occupied(first) => Kept::Same(*first.get()),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(graph.nodes.len());
                    Kept::Node(node.clone())
                }
            }
        })
    }

    /// Fuses each op into the producer of its first input, where the producer has no other use and a fused op exists.
    fn fused(&self, roots: &[Value]) -> (Self, Vec<Value>) {
        let mut uses = vec![0usize; self.nodes.len()];
        self.nodes.iter().flat_map(|node| &node.inputs).chain(roots).for_each(|value| uses[value.node] += 1);
        // In the graph being built: how often a node is used, by its number there.
        let mut new_uses: Vec<usize> = Vec::new();
        self.rebuilt(roots, |number, node, graph| {
            let fused = node.op.as_ref().zip(node.inputs.first()).and_then(|(op, first)| {
                let producer = &graph.nodes[first.node];
                let alone = new_uses[first.node] == 1 && first.output == 0;
                let op = op.fuse(producer.op.as_deref().filter(|_| alone)?)?;
                let inputs = producer.inputs.iter().chain(&node.inputs[1..]).copied().collect();
                Some(Node { op: Some(Arc::clone(&op)), inputs, ..node.clone() })
            });
            new_uses.push(uses[number]);
            Kept::Node(fused.unwrap_or_else(|| node.clone()))
        })
    }

    /// Builds a graph node by node. `keep` sees each node with its inputs already renamed, and the graph so far.
    fn rebuilt(&self, roots: &[Value], mut keep: impl FnMut(usize, &Node, &Self) -> Kept) -> (Self, Vec<Value>) {
        let mut graph = Self::default();
        let mut renamed: Vec<Option<usize>> = Vec::with_capacity(self.nodes.len());
        let rename = |renamed: &[Option<usize>], value: &Value| {
            // Values of dropped nodes are used by dropped nodes alone.
            Value { node: renamed[value.node].unwrap_or_default(), output: value.output }
        };
        for (number, node) in self.nodes.iter().enumerate() {
            let inputs = node.inputs.iter().map(|input| rename(&renamed, input)).collect();
            let node = Node { inputs, ..node.clone() };
            let new = match keep(number, &node, &graph) {
                Kept::Nothing => None,
                Kept::Same(other) => Some(other),
                Kept::Node(mut node) => {
                    let number = graph.nodes.len();
                    node.outputs.iter_mut().for_each(|output| output.node = number);
                    graph.nodes.push(node);
                    Some(number)
                }
            };
            renamed.push(new);
        }
        let roots = roots.iter().map(|root| rename(&renamed, root)).collect();
        (graph, roots)
    }
}

/// What becomes of a node.
enum Kept {
    /// It is dropped.
    Nothing,
    /// It is the same as that node of the new graph.
    Same(usize),
    /// It stays, perhaps changed.
    Node(Node),
}
