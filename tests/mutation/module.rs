//! What a shader comes to: its module without what its constants rule out and without what nothing uses.
//!
//! A fault in a branch that a variant never takes, or in a snippet's function that a kernel never calls, is no fault of
//! that variant or kernel: it leaves the module as it was.

use naga::compact::{KeepUnused, compact};
use naga::{Arena, Block, Expression, Function, Handle, Literal, Module, Statement};

/// The module of a source in a form that can be compared, or `None` where it is not valid.
pub(crate) fn module(source: &str) -> Option<String> {
    let capabilities = naga::valid::Capabilities::all();
    let mut module = naga::front::wgsl::parse_str(source).ok()?;
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities);
    validator.validate(&module).ok()?;
    module.doc_comments = None;
    let globals = module.global_expressions.clone();
    let constants = module.constants.clone();
    let truth = |handle: Handle<naga::Constant>| literal_bool(&globals[constants[handle].init]);
    module.functions.iter_mut().for_each(|(_, function)| simplify(function, &truth));
    module.entry_points.iter_mut().for_each(|entry| simplify(&mut entry.function, &truth));
    compact(&mut module, KeepUnused::No);
    Some(text(&module))
}

/// Everything that bears on what the module computes.
fn text(module: &Module) -> String {
    let parts = (&module.types, &module.constants, &module.global_variables, &module.global_expressions);
    format!("{parts:?} {:?} {:?}", module.functions, module.entry_points)
}

fn literal_bool(expression: &Expression) -> Option<bool> {
    match expression {
        Expression::Literal(Literal::Bool(value)) => Some(*value),
        _ => None,
    }
}

fn simplify(function: &mut Function, truth: &dyn Fn(Handle<naga::Constant>) -> Option<bool>) {
    function.named_expressions.clear();
    let known = function.expressions.clone();
    let known = |handle: Handle<Expression>| value(&known, handle, truth);
    for (_, expression) in function.expressions.iter_mut() {
        if let Expression::Select { condition, accept, reject } = expression
            && let Some(value) = known(*condition)
        {
            let taken = if value { *accept } else { *reject };
            (*accept, *reject) = (taken, taken);
        }
    }
    function.body = taken(&function.body, &known);
}

fn value(
    expressions: &Arena<Expression>,
    handle: Handle<Expression>,
    truth: &dyn Fn(Handle<naga::Constant>) -> Option<bool>,
) -> Option<bool> {
    match &expressions[handle] {
        Expression::Constant(constant) => truth(*constant),
        other => literal_bool(other),
    }
}

/// The block with only the branches that can be taken.
fn taken(block: &Block, known: &dyn Fn(Handle<Expression>) -> Option<bool>) -> Block {
    let mut statements: Vec<Statement> = Vec::new();
    for statement in block.iter() {
        match statement {
            Statement::If { condition, accept, reject } => match known(*condition) {
                Some(value) => statements.extend_from_slice(&taken(if value { accept } else { reject }, known)),
                None => {
                    let (accept, reject) = (taken(accept, known), taken(reject, known));
                    statements.push(Statement::If { condition: *condition, accept, reject });
                }
            },
            Statement::Block(block) => statements.extend_from_slice(&taken(block, known)),
            Statement::Loop { body, continuing, break_if } => {
                let (body, continuing) = (taken(body, known), taken(continuing, known));
                statements.push(Statement::Loop { body, continuing, break_if: *break_if });
            }
            other => statements.push(other.clone()),
        }
        if statements.last().is_some_and(|last| matches!(last, Statement::Return { .. })) {
            break;
        }
    }
    Block::from_vec(statements)
}
