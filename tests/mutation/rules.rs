//! The kinds of faults: each rule returns the edits it would make at a token.

use super::mutant::Edit;
use super::source::{Kind, Place, Source};

type Rule = fn(&Source<'_>, usize) -> Vec<Edit>;

/// All rules by name. Some of their mutants do not compile; those are counted separately.
pub(crate) const RULES: &[(&str, Rule)] = &[
    ("arithmetic", arithmetic),
    ("sign", sign),
    ("assignment", assignment),
    ("boundary", boundary),
    ("condition", condition),
    ("logic", logic),
    ("integer", integer),
    ("constant", constant),
    ("start of loop", start),
    ("end of loop", until),
    ("step of loop", step),
    ("operands", operands),
    ("arguments", arguments),
    ("branch", branch),
    ("clamp", clamp),
    ("function", function),
    ("component", component),
    ("field", field),
    ("index", index),
    ("buffer", buffer),
    ("statement", statement),
    ("barrier", barrier),
    ("stale", stale),
    ("f16", f16),
];

/// Replaces token `i`.
fn replace(source: &Source<'_>, i: usize, by: impl Into<String>) -> Edit {
    span(source, i, i, by)
}

/// Replaces tokens `first` to `last`.
fn span(source: &Source<'_>, first: usize, last: usize, by: impl Into<String>) -> Edit {
    Edit { range: source.range(first, last), by: by.into(), helper: String::new() }
}

/// The text of tokens `first` to `last`.
fn text<'a>(source: &Source<'a>, [first, last]: [usize; 2]) -> &'a str {
    &source.text[source.range(first, last)]
}

/// Replaces token `i` as given by `pairs`.
fn table(source: &Source<'_>, i: usize, pairs: &[(&str, &str)]) -> Vec<Edit> {
    let word = source.word(i);
    pairs.iter().filter(|(from, _)| *from == word).map(|(_, to)| replace(source, i, *to)).collect()
}

fn place(source: &Source<'_>, i: usize) -> Place {
    source.tokens[i].place
}

/// Replaces operators: wrong strides, signs or bits.
fn arithmetic(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if !source.is_binary(i) {
        return Vec::new();
    }
    let others = [("+", "-"), ("-", "+"), ("*", "/"), ("/", "*"), ("%", "/"), ("<<", ">>"), (">>", "<<"), ("&", "|")];
    table(source, i, &[&others[..], &[("|", "&"), ("^", "&"), ("*", "+")]].concat())
}

/// Drops a minus sign.
fn sign(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if source.is_binary(i) { Vec::new() } else { table(source, i, &[("-", ""), ("!", "")]) }
}

/// Changes a sum's sign, or drops its previous value.
fn assignment(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if place(source, i) == Place::Step {
        return Vec::new();
    }
    table(
        source,
        i,
        &[("+=", "-="), ("+=", "="), ("-=", "+="), ("-=", "="), ("*=", "/="), ("*=", "="), ("^=", "&="), ("^=", "=")],
    )
}

/// Comparisons off by one or inverted, except those that would make a loop endless.
fn boundary(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if source.mate(i) != i || place(source, i) == Place::Until && source.word(i) == ">" {
        return Vec::new();
    }
    let mut edits = table(
        source,
        i,
        &[("<", "<="), ("<=", "<"), (">", ">="), (">=", ">"), ("==", "!="), ("!=", "=="), ("==", ">=")],
    );
    if source.word(i + 1) != "0u" {
        edits.extend(table(source, i, &[("==", "<=")])); // unsigned: nothing is below zero
    }
    if place(source, i) != Place::Until {
        edits.extend(table(source, i, &[("<", ">="), ("<=", ">"), (">", "<="), (">=", "<")]));
    }
    edits
}

/// Drops a guard, or makes it always return, unless it is a loop's only exit.
fn condition(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if source.word(i) != "if" {
        return Vec::new();
    }
    let close = source.mate(i + 1);
    let leaves_loop = source.word(close + 2) == "break";
    let values = if leaves_loop { &["true"][..] } else { &["true", "false"] };
    values.iter().map(|value| span(source, i + 2, close - 1, *value)).collect()
}

fn logic(source: &Source<'_>, i: usize) -> Vec<Edit> {
    table(source, i, &[("&&", "||"), ("||", "&&"), ("all", "any"), ("any", "all")])
}

/// Integers off by one. Loop steps have their own rule.
fn integer(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if source.kind(i) != Some(Kind::Integer) || place(source, i) == Place::Step {
        return Vec::new();
    }
    let word = source.word(i);
    let (digits, suffix) = word.strip_suffix('u').map_or((word, ""), |digits| (digits, "u"));
    let value = match digits.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let Ok(value) = value else { return Vec::new() };
    [value.checked_sub(1), value.checked_add(1)]
        .into_iter()
        .flatten()
        .map(|value| replace(source, i, format!("{value}{suffix}")))
        .collect()
}

/// Doubles numbers, or rounds them to f16's 11 bits.
fn constant(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if source.kind(i) != Some(Kind::Float) {
        return Vec::new();
    }
    let Ok(value) = source.word(i).parse::<f64>() else { return Vec::new() };
    let rounded = f64::from_bits((value.to_bits() + (1 << 41)) >> 42 << 42);
    let doubled = if value == 0.0 { 1.0 } else { 2.0 * value };
    let mut edits = vec![replace(source, i, format!("{doubled:?}"))];
    if rounded as f32 != value as f32 {
        edits.push(replace(source, i, format!("{rounded:?}")));
    }
    edits
}

/// Starts a loop late. Literal starts are covered by the rule for integers.
fn start(source: &Source<'_>, i: usize) -> Vec<Edit> {
    let literal = source.kind(i + 1) == Some(Kind::Integer) && source.word(i + 2) == ";";
    if place(source, i) != Place::Start || source.word(i) != "=" || literal {
        return Vec::new();
    }
    let last = (i..).find(|&j| source.word(j + 1) == ";").expect("a clause ends");
    vec![span(source, i + 1, last, format!("{} + 1", text(source, [i + 1, last])))]
}

/// Ends a loop early.
fn until(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if place(source, i) != Place::Until || !matches!(source.word(i), "<" | ">") {
        return Vec::new();
    }
    let by = if source.word(i) == "<" { "+ 1u <" } else { "/ 2u >" };
    vec![replace(source, i, by)]
}

/// Skips loop iterations.
fn step(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if place(source, i) != Place::Step {
        return Vec::new();
    }
    match source.word(i) {
        "++" => vec![replace(source, i, " += 2")],
        sign if sign.len() > 1 && sign.ends_with('=') => vec![replace(source, i, format!("{sign} 2u *"))],
        _ => Vec::new(),
    }
}

/// Swaps the operands of an operator.
fn operands(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if !source.is_binary(i) || !matches!(source.word(i), "-" | "/" | "%" | "<<" | ">>") {
        return Vec::new();
    }
    let left = [source.operand_start(i - 1), i - 1];
    let right = [i + 1, source.operand_end(i + 1)];
    let by = format!("{} {} {}", text(source, right), source.word(i), text(source, left));
    vec![span(source, left[0], right[1], by)]
}

/// Swaps adjacent arguments of a call, if their order matters.
fn arguments(source: &Source<'_>, i: usize) -> Vec<Edit> {
    let Some(open) = call(source, i) else { return Vec::new() };
    let order_matters = |first: usize| !matches!((source.word(i), first), ("min" | "max", _) | ("fma", 0));
    let list = source.arguments(open);
    let pairs = list.windows(2).enumerate().filter(|(first, _)| order_matters(*first));
    pairs
        .map(|(_, pair)| {
            let by = format!("{}, {}", text(source, pair[1]), text(source, pair[0]));
            span(source, pair[0][0], pair[1][1], by)
        })
        .collect()
}

/// The opening bracket of the call of the function named at `i`.
fn call(source: &Source<'_>, i: usize) -> Option<usize> {
    let name = source.kind(i) == Some(Kind::Name) && !matches!(source.word(i), "if" | "for" | "return");
    let open = if source.word(i + 1) == "<" { source.mate(i + 1) + 1 } else { i + 1 };
    (name && source.word(open) == "(").then_some(open)
}

/// Makes a `select` constant.
fn branch(source: &Source<'_>, i: usize) -> Vec<Edit> {
    only_argument(source, i, "select", &[0, 1])
}

/// Drops a bound.
fn clamp(source: &Source<'_>, i: usize) -> Vec<Edit> {
    let bound = |name| only_argument(source, i, name, &[0, 1]);
    [bound("min"), bound("max"), only_argument(source, i, "clamp", &[0])].concat()
}

/// Replaces the call of `name` by one of its arguments.
fn only_argument(source: &Source<'_>, i: usize, name: &str, kept: &[usize]) -> Vec<Edit> {
    match call(source, i) {
        Some(open) if source.word(i) == name => {
            let list = source.arguments(open);
            let keep = |&argument: &usize| format!("({})", text(source, list[argument]));
            kept.iter().map(|argument| span(source, i, source.mate(open), keep(argument))).collect()
        }
        _ => Vec::new(),
    }
}

/// Replaces a function by another, or drops it.
fn function(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if call(source, i).is_none() {
        return Vec::new();
    }
    let none = ["abs", "sign", "floor", "sqrt", "inverseSqrt", "exp", "log", "transpose", "countLeadingZeros"];
    let mut edits = table(source, i, &[("min", "max"), ("max", "min"), ("floor", "ceil"), ("inverseSqrt", "sqrt")]);
    if none.contains(&source.word(i)) {
        edits.push(replace(source, i, ""));
    }
    edits
}

/// Uses another vector component.
fn component(source: &Source<'_>, i: usize) -> Vec<Edit> {
    let word = source.word(i);
    if source.before(i) != "." || word.is_empty() || !word.chars().all(|c| "xyzw".contains(c)) {
        return Vec::new();
    }
    let other = |c| match c {
        'x' => 'y',
        'y' => 'x',
        'z' => 'w',
        _ => 'z',
    };
    vec![replace(source, i, word.chars().map(other).collect::<String>())]
}

/// Uses another parameter of the same type: the next in `Params`.
fn field(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if i < 2 || source.before(i) != "." || source.word(i - 2) != "params" {
        return Vec::new();
    }
    let Some(open) = (2..i).find(|&j| source.word(j) == "{" && source.word(j - 2) == "struct") else {
        return Vec::new();
    };
    let fields: Vec<[&str; 2]> = (open..source.mate(open))
        .filter(|&j| source.word(j) == ":")
        .map(|j| [j - 1, j + 1].map(|j| source.word(j)))
        .collect();
    next(source, i, &fields)
}

/// Uses another buffer of the same type: the next in the shader.
fn buffer(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if source.word(i + 1) != "[" {
        return Vec::new();
    }
    let buffers: Vec<[&str; 2]> = bindings(source).into_iter().map(|(name, ty)| [name, ty]).collect();
    next(source, i, &buffers)
}

/// Replaces name `i` by the next of the same type.
fn next(source: &Source<'_>, i: usize, names: &[[&str; 2]]) -> Vec<Edit> {
    let Some(at) = names.iter().position(|[name, _]| *name == source.word(i)) else { return Vec::new() };
    let others = names[at + 1..].iter().chain(&names[..at]);
    let other = others.into_iter().find(|[_, ty]| *ty == names[at][1]);
    other.map(|[name, _]| replace(source, i, *name)).into_iter().collect()
}

/// The names of storage bindings and workgroup arrays with their types.
fn bindings<'a>(source: &Source<'a>) -> Vec<(&'a str, &'a str)> {
    let declared = (0..source.tokens.len()).filter(|&j| {
        source.word(j) == "var" && source.word(j + 1) == "<" && matches!(source.word(j + 2), "storage" | "workgroup")
    });
    declared
        .map(|j| {
            let name = source.mate(j + 1) + 1;
            let end = (name..).find(|&k| source.word(k) == ";").expect("a declaration ends");
            (source.word(name), text(source, [name + 2, end - 1]))
        })
        .collect()
}

/// Uses the next element. Literal indices are covered by the rule for integers.
fn index(source: &Source<'_>, i: usize) -> Vec<Edit> {
    let literal = source.kind(i + 1) == Some(Kind::Integer) && source.word(i + 2) == "]";
    if source.word(i) != "[" || literal {
        return Vec::new();
    }
    let inside = [i + 1, source.mate(i) - 1];
    vec![span(source, inside[0], inside[1], format!("{} + 1", text(source, inside)))]
}

/// The end of the statement that starts at token `i`, if one that can be dropped starts there.
fn simple_statement(source: &Source<'_>, i: usize) -> Option<usize> {
    let begins = matches!(source.before(i), "{" | "}" | ";") && place(source, i) == Place::Body;
    let fixed = ["let", "var", "const", "return", "if", "else", "for", "loop", "break", "continue", "}", "{"];
    if !begins || source.kind(i) != Some(Kind::Name) || fixed.contains(&source.word(i)) {
        return None;
    }
    (i..source.tokens.len()).find(|&j| source.word(j) == ";")
}

/// Drops a statement.
fn statement(source: &Source<'_>, i: usize) -> Vec<Edit> {
    match simple_statement(source, i) {
        Some(end) if source.word(i) != "workgroupBarrier" => vec![span(source, i, end, "")],
        _ => Vec::new(),
    }
}

/// Drops a barrier.
fn barrier(source: &Source<'_>, i: usize) -> Vec<Edit> {
    match simple_statement(source, i) {
        Some(end) if source.word(i) == "workgroupBarrier" => vec![span(source, i, end, "")],
        _ => Vec::new(),
    }
}

/// Keeps a variable's old value where its declaration resets it.
fn stale(source: &Source<'_>, i: usize) -> Vec<Edit> {
    if source.word(i) != "var" || place(source, i) != Place::Body {
        return Vec::new();
    }
    let end = (i..).find(|&j| source.word(j) == ";").expect("a declaration ends");
    let name = source.word(i + 1);
    let (ty, value) = match (source.word(i + 2), source.kind(i + 3)) {
        (":", _) => (text(source, [i + 3, end - 1]), ""),
        ("=", Some(Kind::Float)) if end == i + 4 && in_loop(source, i) => ("f32", source.word(i + 3)),
        ("=", Some(Kind::Integer)) if end == i + 4 && in_loop(source, i) => ("u32", source.word(i + 3)),
        _ => return Vec::new(),
    };
    let equals = if value.is_empty() { "" } else { " = " };
    let helper = format!("\nvar<private> {name}: {ty}{equals}{value};\n");
    vec![Edit { helper, ..span(source, i, end, "") }]
}

/// Whether token `i` is in a loop body.
fn in_loop(source: &Source<'_>, i: usize) -> bool {
    let around = |&j: &usize| source.word(j) == "{" && source.mate(j) > i;
    (0..i).filter(around).any(|open| {
        source.before(open) == "loop" || source.before(open) == ")" && source.before(source.mate(open - 1)) == "for"
    })
}

/// Rounds a float loaded from a buffer to f16.
fn f16(source: &Source<'_>, i: usize) -> Vec<Edit> {
    let Some((_, ty)) = bindings(source).into_iter().find(|(name, _)| *name == source.word(i)) else {
        return Vec::new();
    };
    if source.word(i + 1) != "[" || place(source, i) == Place::Declaration {
        return Vec::new();
    }
    let close = source.mate(i + 1);
    if source.word(close + 1).ends_with('=') && source.word(close + 1) != "==" {
        return Vec::new(); // a store
    }
    // `vec4<f32>(a[i])` accepts scalars and vectors alike.
    let cast = i >= 5 && source.before(i) == "(" && text(source, [i - 5, i - 2]) == "vec4<f32>";
    let loaded = if cast { [i - 5, close + 1] } else { [i, close] };
    let value = text(source, loaded);
    let wide = |x: String| (format!("rounded_to_f16({x})"), rounding("vec4<f32>", "vec4<u32>"));
    let (by, helper) = match ty {
        _ if cast || ty.contains("vec4<f32>") => wide(value.to_owned()),
        "array<Element>" => {
            let (by, helper) = wide(format!("vec4<f32>({value})"));
            (format!("pack({by}, 0u)"), helper)
        }
        _ if ty.contains("f32") => (format!("rounded_to_f16({value})"), rounding("f32", "u32")),
        _ => return Vec::new(),
    };
    vec![Edit { helper, ..span(source, loaded[0], loaded[1], by) }]
}

/// Keeps 11 significand bits, as in f16. Drivers drop conversions to f16 and back.
fn rounding(ty: &str, words: &str) -> String {
    format!(
        "\nfn rounded_to_f16(x: {ty}) -> {ty} {{\n    \
        return bitcast<{ty}>((bitcast<{words}>(x) + 0x1000u) & {words}(0xffffe000u));\n}}\n"
    )
}
