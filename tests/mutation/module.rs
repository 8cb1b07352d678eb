//! A normalized form of a shader's module, without branches ruled out by its constants and without unused code.
//!
//! A fault in a branch that a variant never takes, or in a function that a kernel never calls, does not affect that
//! variant or kernel: the normalized module is unchanged.

use naga::compact::{KeepUnused, compact};
use naga::{Arena, Block, Expression, Function, Handle, Literal, LocalVariable, Module, Statement};
use std::collections::BTreeSet;

/// The module of a source in a comparable form, or `None` if it is not valid.
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
    // Named items count as used.
    module.constants.iter_mut().for_each(|(_, constant)| constant.name = None);
    compact(&mut module, KeepUnused::No);
    Some(text(&module))
}

/// Everything that affects what the module computes.
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
    let read = read_variables(function);
    function.body = without_stores(&function.body, &|pointer| {
        variable(&function.expressions, pointer).is_none_or(|variable| read.contains(&variable))
    });
    for (handle, variable) in function.local_variables.iter_mut() {
        if !read.contains(&handle) {
            variable.init = None;
        }
    }
}

/// The local variable that an expression points into.
fn variable(expressions: &Arena<Expression>, pointer: Handle<Expression>) -> Option<Handle<LocalVariable>> {
    match expressions[pointer] {
        Expression::LocalVariable(variable) => Some(variable),
        Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => variable(expressions, base),
        _ => None,
    }
}

/// The local variables that affect more than stores to variables without effect.
fn read_variables(function: &Function) -> BTreeSet<Handle<LocalVariable>> {
    let (mut used, mut read) = (BTreeSet::new(), BTreeSet::new());
    let numbers: Vec<Handle<Expression>> = function.expressions.iter().map(|(handle, _)| handle).collect();
    loop {
        let before = used.len();
        let mut open = Vec::new();
        roots(function, &function.body, &read, &numbers, &mut open);
        while let Some(handle) = open.pop() {
            if used.insert(handle) {
                open.extend(mentioned(&format!("{:?}", function.expressions[handle]), &numbers));
                read.extend(variable(&function.expressions, handle));
            }
        }
        if used.len() == before {
            return read;
        }
    }
}

/// The expressions used by statements, except in stores to variables not known to be read.
fn roots(
    function: &Function,
    block: &Block,
    read: &BTreeSet<Handle<LocalVariable>>,
    numbers: &[Handle<Expression>],
    open: &mut Vec<Handle<Expression>>,
) {
    for statement in block.iter() {
        match statement {
            Statement::Emit(_) => {}
            Statement::Block(block) => roots(function, block, read, numbers, open),
            Statement::If { condition, accept, reject } => {
                open.push(*condition);
                for block in [accept, reject] {
                    roots(function, block, read, numbers, open);
                }
            }
            Statement::Loop { body, continuing, break_if } => {
                open.extend(break_if);
                for block in [body, continuing] {
                    roots(function, block, read, numbers, open);
                }
            }
            Statement::Store { pointer, value } => {
                if variable(&function.expressions, *pointer).is_none_or(|variable| read.contains(&variable)) {
                    open.extend([pointer, value]);
                }
            }
            other => open.extend(mentioned(&format!("{other:?}"), numbers)),
        }
    }
}

/// The expressions mentioned in naga's text, numbers in square brackets; other things may be numbered the same way, and
/// then more counts as used than is.
fn mentioned(text: &str, numbers: &[Handle<Expression>]) -> Vec<Handle<Expression>> {
    let number = |part: &str| part.split(']').next()?.parse::<usize>().ok().and_then(|n| numbers.get(n).copied());
    text.split('[').skip(1).filter_map(number).collect()
}

/// The block without stores to expressions outside `kept`.
fn without_stores(block: &Block, kept: &dyn Fn(Handle<Expression>) -> bool) -> Block {
    let without = |block: &Block| without_stores(block, kept);
    let statements = block.iter().filter(|s| !matches!(s, Statement::Store { pointer, .. } if !kept(*pointer)));
    let inside = statements.cloned().map(|statement| match statement {
        Statement::Block(block) => Statement::Block(without(&block)),
        Statement::If { condition, accept, reject } => {
            Statement::If { condition, accept: without(&accept), reject: without(&reject) }
        }
        Statement::Loop { body, continuing, break_if } => {
            Statement::Loop { body: without(&body), continuing: without(&continuing), break_if }
        }
        other => other,
    });
    Block::from_vec(inside.collect())
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

/// The block with only reachable branches.
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
