//! Graph passes: dead code elimination, common subexpression elimination, fusion of ops into their producer's kernel,
//! merging of ops with the same inputs, and deferral of results that no other op needs.

use super::{Graph, Node, Op, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Graph {
    /// A graph that computes `roots` with fewer operations, and the roots in it.
    pub fn simplify(&self, roots: &[Value]) -> (Self, Vec<Value>) {
        // Dead nodes first, so that they do not count as uses.
        let (graph, roots) = self.without_dead(roots);
        let (graph, roots) = graph.without_repetition(&roots);
        let (graph, roots) = graph.fused(&roots);
        let (graph, roots) = graph.joined(&roots);
        let (graph, roots) = graph.without_dead(&roots);
        graph.deferred(&roots)
    }

    /// Drops nodes that no root depends on.
    fn without_dead(&self, roots: &[Value]) -> (Self, Vec<Value>) {
        let mut live = vec![false; self.nodes.len()];
        roots.iter().for_each(|root| live[root.node] = true);
        for (number, node) in self.nodes.iter().enumerate().rev() {
            if live[number] {
                node.inputs.iter().for_each(|input| live[input.node] = true);
            }
        }
        self.rebuilt(roots, |number, node, _, _| if live[number] { Kept::Node(node.clone()) } else { Kept::Nothing })
    }

    /// Merges equal ops with equal inputs, except those with side effects. Ops are equal if their debug representations
    /// are.
    fn without_repetition(&self, roots: &[Value]) -> (Self, Vec<Value>) {
        let mut known: BTreeMap<(String, Vec<Value>), usize> = BTreeMap::new();
        self.rebuilt(roots, |_, node, graph, _| {
            if node.op.as_ref().is_some_and(|op| op.mutates()) {
                return Kept::Node(node.clone());
            }
            let print = node.op.as_ref().map_or_else(|| format!("leaf {:?}", node.slot), |op| format!("{op:?}"));
            match known.entry((print, node.inputs.clone())) {
                std::collections::btree_map::Entry::Occupied(first) => Kept::Same(*first.get(), 0),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(graph.nodes.len());
                    Kept::Node(node.clone())
                }
            }
        })
    }

    /// Fuses each op into the producer of its first input, if the producer has no other use and a fused op exists.
    fn fused(&self, roots: &[Value]) -> (Self, Vec<Value>) {
        let mut uses = vec![0usize; self.nodes.len()];
        self.nodes.iter().flat_map(|node| &node.inputs).chain(roots).for_each(|value| uses[value.node] += 1);
        // In the new graph: the number of uses of each node.
        let mut new_uses: Vec<usize> = Vec::new();
        self.rebuilt(roots, |number, node, graph, _| {
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

    /// Replaces each op and its sibling by the joined op, if it exists, at the position of the first.
    fn joined(&self, roots: &[Value]) -> (Self, Vec<Value>) {
        let pairs = self.pairs();
        let of_node: BTreeMap<usize, &Pair> =
            pairs.iter().flat_map(|pair| [(pair.op, pair), (pair.sibling, pair)]).collect();
        // In the new graph: the node of a pair, by the index of its product.
        let mut built: BTreeMap<usize, usize> = BTreeMap::new();
        self.rebuilt(roots, |number, node, graph, renaming| {
            let Some(pair) = of_node.get(&number) else { return Kept::Node(node.clone()) };
            let output = usize::from(pair.sibling == number);
            if let Some(&joined) = built.get(&pair.op) {
                return Kept::Same(joined, output);
            }
            built.insert(pair.op, graph.nodes.len());
            let [op, sibling] = [pair.op, pair.sibling].map(|number| &self.nodes[number]);
            let inputs = op.inputs.iter().map(|input| renaming.of(input)).collect();
            let outputs = vec![Value { node: 0, output: 0 }, Value { node: 0, output: 1 }];
            let types = op.types.iter().chain(&sibling.types).cloned().collect();
            let joined = Node { op: Some(Arc::clone(&pair.joined)), inputs, outputs, types, ..op.clone() };
            Kept::Part(joined, output)
        })
    }

    /// The ops and siblings to join, with no node in two pairs. All inputs of the op precede the sibling.
    fn pairs(&self) -> Vec<Pair> {
        let mut siblings: BTreeMap<Value, Vec<usize>> = BTreeMap::new();
        for (number, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.outputs.len() == 1) {
            if let [input] = node.inputs.as_slice() {
                siblings.entry(*input).or_default().push(number);
            }
        }
        let mut pairs = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let (Some(op), [_], Some(last)) = (&node.op, node.outputs.as_slice(), node.inputs.last()) else { continue };
            let Some(candidates) = siblings.get_mut(last) else { continue };
            let found = candidates.iter().enumerate().find_map(|(place, &other)| {
                let in_time = other != number && node.inputs.iter().all(|input| input.node < other);
                Some((place, op.join(self.nodes[other].op.as_deref().filter(|_| in_time)?)?))
            });
            if let Some((place, joined)) = found {
                pairs.push(Pair { op: number, sibling: candidates.remove(place), joined });
            }
        }
        pairs
    }

    /// Moves each op whose results no other op reads, such as a weight gradient, behind the last op that reads the same
    /// inputs. By then the gradient has passed through the weight, which may then be updated; and nothing stays in
    /// memory for more than one additional op.
    fn deferred(&self, roots: &[Value]) -> (Self, Vec<Value>) {
        let mut last_use: Vec<usize> = (0..self.nodes.len()).collect();
        for (number, node) in self.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|input| last_use[input.node] = number);
        }
        let place = |number: usize| {
            let waits = self.nodes[number].op.is_some() && last_use[number] == number;
            let readers = self.nodes[number].inputs.iter().map(|input| last_use[input.node]);
            (readers.filter(|_| waits).max().unwrap_or(number), waits, number)
        };
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|&number| place(number));
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, &number)| places[number] = place);
        let moved = |value: &Value| Value { node: places[value.node], ..*value };
        let renamed = |&number: &usize| {
            let node = &self.nodes[number];
            let [inputs, outputs] = [&node.inputs, &node.outputs].map(|values| values.iter().map(moved).collect());
            Node { inputs, outputs, ..node.clone() }
        };
        let graph = Self { nodes: order.iter().map(renamed).collect(), ..self.clone() };
        (graph, roots.iter().map(moved).collect())
    }

    /// Rebuilds a graph node by node. `keep` gets each node with its inputs already renamed, the graph so far, and the
    /// renaming of values.
    fn rebuilt(
        &self,
        roots: &[Value],
        mut keep: impl FnMut(usize, &Node, &Self, &Renaming) -> Kept,
    ) -> (Self, Vec<Value>) {
        let mut graph = Self::default();
        let mut renaming = Renaming(Vec::with_capacity(self.nodes.len()));
        for (number, node) in self.nodes.iter().enumerate() {
            let inputs = node.inputs.iter().map(|input| renaming.of(input)).collect();
            let node = Node { inputs, ..node.clone() };
            let kept = keep(number, &node, &graph, &renaming);
            let mut add = |mut node: Node, output: usize| {
                let number = graph.nodes.len();
                node.outputs.iter_mut().for_each(|output| output.node = number);
                graph.nodes.push(node);
                Value { node: number, output }
            };
            let new = match kept {
                Kept::Nothing => None,
                Kept::Same(other, output) => Some(Value { node: other, output }),
                Kept::Node(node) => Some(add(node, 0)),
                Kept::Part(node, output) => Some(add(node, output)),
            };
            renaming.0.push(new);
        }
        let roots = roots.iter().map(|root| renaming.of(root)).collect();
        (graph, roots)
    }
}

/// An op and its sibling, by index, and their joined op.
struct Pair {
    op: usize,
    sibling: usize,
    joined: Arc<dyn Op>,
}

/// For each node so far, its output 0 in the new graph.
struct Renaming(Vec<Option<Value>>);

impl Renaming {
    fn of(&self, value: &Value) -> Value {
        // Values of dropped nodes are used only by dropped nodes.
        let first = self.0[value.node].unwrap_or(Value { node: 0, output: 0 });
        Value { output: first.output + value.output, ..first }
    }
}

/// What happens to a node.
enum Kept {
    /// It is dropped.
    Nothing,
    /// It is replaced by that node of the new graph; its outputs start at this one.
    Same(usize, usize),
    /// It is kept, possibly changed.
    Node(Node),
    /// It is part of this node; its outputs start at this one.
    Part(Node, usize),
}
