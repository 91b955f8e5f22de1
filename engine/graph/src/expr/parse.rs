//! Source → [`Parsed`], or one error in words for people.
//!
//! The CEL parser says what it expected in the words of its grammar; those words never leave this file.

use super::references::{self, Reference};
use super::scan::{Kind, Token, scan};
use super::stack::on_deep_stack;
use cel::common::ast::{IdedExpr, SourceInfo};
use cel::parser::ParseError;
use cel::{Env, extensions};
use std::sync::{Arc, LazyLock};

/// An expression that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes from the start of the expression.
    pub offset: usize,
    /// What to write instead, when that is known.
    pub help: Option<String>,
}

impl ExprError {
    pub(super) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), offset, help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// An expression that can be evaluated.
#[derive(Debug)]
pub struct Parsed {
    source: String,
    ast: IdedExpr,
    places: SourceInfo,
    references: Vec<Reference>,
}

impl Parsed {
    pub(super) fn ast(&self) -> &IdedExpr {
        &self.ast
    }

    /// Bytes before what makes a node: a name, the dot of a member, the operator of a sum.
    pub(super) fn offset_of(&self, id: u64) -> usize {
        offset_of(&self.places, id)
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it reads, in the order in which it is written.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }
}

pub(super) fn offset_of(places: &SourceInfo, id: u64) -> usize {
    places.offset_for(id).map_or(0, |(start, _)| start as usize)
}

/// The functions of the language. Built once: it is the same for every expression.
pub(super) fn environment() -> &'static Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut env = Env::stdlib().with_optional_support(true);
        env.add_extension(extensions::strings).expect("the strings extension declares each function once");
        env.add_extension(super::guard::declare).expect("our own functions begin with @ and have no other");
        Arc::new(env)
    });
    &ENVIRONMENT
}

/// Parses an expression (without `${{ }}`) and checks every name in it.
///
/// # Errors
/// The first mistake, with its place and, where one is known, its remedy.
pub fn parse(source: &str) -> Result<Parsed, ExprError> {
    let tokens = scan(source)?;
    if tokens.is_empty() {
        return Err(ExprError::new(0, "the expression is empty"));
    }
    check_neighbours(&tokens)?;
    let (ast, places) = syntax(source, &tokens)?;
    let references = references::collect(&ast, &places, &tokens)?;
    Ok(Parsed { source: source.to_owned(), ast, places, references })
}

/// Brackets and choices that the stack of any thread has room for.
const SHALLOW: usize = 5;

fn syntax(source: &str, tokens: &[Token<'_>]) -> Result<(IdedExpr, SourceInfo), ExprError> {
    let parser = || environment().parser().parse_with_source_info(source);
    let opening = tokens.iter().filter(|token| matches!(token.text, "(" | "[" | "{" | "?")).count();
    let parsed = if opening <= SHALLOW {
        parser()
    } else {
        on_deep_stack(parser).map_err(|error| ExprError::new(0, format!("no memory to parse it: {error}")))?
    };
    parsed.map_err(|errors| {
        let first = errors.errors.into_iter().next();
        first.map_or_else(too_deep, |error| reword(source, tokens, &error))
    })
}

fn too_deep() -> ExprError {
    ExprError::new(0, "the expression is nested too deeply").help("move parts of it to `vars`")
}

/// Finds two values side by side, which is how words of other languages show up (`a and b`, `not a`).
fn check_neighbours(tokens: &[Token<'_>]) -> Result<(), ExprError> {
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|i| &tokens[i]);
        let after = tokens.get(at + 1);
        if token.kind != Kind::Word || before.is_some_and(|t| matches!(t.text, "." | "?")) {
            continue;
        }
        if let Some(meant) = foreign_constant(token.text)
            && after.is_none_or(|t| !matches!(t.text, "(" | ":"))
        {
            return Err(ExprError::new(token.offset, format!("`{}` is no value of expressions", token.text))
                .help(format!("write `{meant}`")));
        }
        if token.text == "not" && after.is_some_and(Token::begins_value) {
            return Err(ExprError::new(token.offset, "`not` is no operator of expressions").help("write `!`"));
        }
    }
    for pair in tokens.windows(2) {
        if pair[0].ends_value() && pair[1].begins_value() && !opens_with_question(tokens, &pair[1]) {
            return Err(side_by_side(&pair[0], &pair[1]));
        }
    }
    Ok(())
}

/// Never true of well-formed neighbours; kept apart because `?` binds to what follows in `a[?b]` and `.?b`.
fn opens_with_question(tokens: &[Token<'_>], token: &Token<'_>) -> bool {
    tokens.iter().take_while(|t| t.offset < token.offset).last().is_some_and(|t| t.text == "?")
}

fn foreign_constant(word: &str) -> Option<&'static str> {
    match word {
        "True" | "TRUE" => Some("true"),
        "False" | "FALSE" => Some("false"),
        "None" | "NULL" | "Null" | "nil" | "undefined" => Some("null"),
        _ => None,
    }
}

fn side_by_side(left: &Token<'_>, right: &Token<'_>) -> ExprError {
    let known = [
        ("and", "write `&&`"),
        ("AND", "write `&&`"),
        ("or", "write `||`"),
        ("OR", "write `||`"),
        ("is", "compare with `==`"),
        ("eq", "compare with `==`"),
        ("not", "write `!(x in list)`, or `!=`"),
        ("if", "a choice is written `condition ? then : otherwise`"),
        ("then", "a choice is written `condition ? then : otherwise`"),
        ("else", "a choice is written `condition ? then : otherwise`"),
        ("contains", "call it: `text.contains('part')`; for lists, `x in list`"),
        ("mod", "write `%`"),
        ("div", "write `/`"),
    ];
    for token in [right, left] {
        if let Some((word, help)) = known.iter().find(|(word, _)| *word == token.text) {
            return ExprError::new(token.offset, format!("`{word}` is no operator of expressions"))
                .help(*help);
        }
    }
    ExprError::new(
        right.offset,
        format!("`{}` follows `{}` without an operator between them", right.text, left.text),
    )
}

/// Says what the CEL parser found in words for people.
fn reword(source: &str, tokens: &[Token<'_>], error: &ParseError) -> ExprError {
    let offset = byte_offset(source, error.pos);
    let token = tokens.iter().find(|token| token.offset + token.text.len() > offset);
    let text = token.map_or("", |token| token.text);
    let message = error.msg.as_str();
    if message.starts_with("invalid int") || message.starts_with("invalid uint") {
        ExprError::new(offset, format!("`{text}` is too large for a whole number"))
            .help("the largest has 63 bits")
    } else if message.starts_with("invalid double") {
        ExprError::new(offset, format!("`{text}` is too large for a number"))
    } else if message.contains("reserved identifier") {
        ExprError::new(offset, format!("`{text}` is a reserved word and names nothing"))
    } else if message.contains("must be a simple name") {
        ExprError::new(offset, "the first argument names an element of the list")
            .help("as in `list.map(x, x.name)`: choose a name, then use it")
    } else if message.contains("has() macro") {
        ExprError::new(offset, "`has` asks for a member").help("as in `has(inputs.music)`")
    } else if message.contains("Recursion limit") || message == "UNKNOWN" {
        too_deep()
    } else if let Some(token) = token {
        ExprError::new(token.offset, format!("`{}` is not expected here", token.text))
    } else {
        ExprError::new(source.trim_end().len(), "the expression ends too early")
    }
}

/// A place as the CEL parser gives it (line and column, both from 1, in characters) in bytes.
fn byte_offset(source: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line).unwrap_or(1).max(1);
    let column = usize::try_from(column).unwrap_or(1).max(1);
    let start: usize = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
    source[start..].char_indices().nth(column - 1).map_or(source.len(), |(offset, _)| start + offset)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use reelmill_model::limits::{EXPRESSION_CHARS_MAX, EXPRESSION_OPERATORS_MAX};

    /// Message, the source from the place on, and the remedy.
    fn refusal(source: &str) -> (String, String, String) {
        let error = parse(source).expect_err(source);
        assert!(source.is_char_boundary(error.offset), "{source:?}: {}", error.offset);
        (error.message, source[error.offset..].to_owned(), error.help.unwrap_or_default())
    }

    #[test]
    fn mistakes_are_named_where_they_are() {
        let table = [
            ("inputs.a = 1", "`=` is no operator", "= 1", "`==`"),
            ("inputs.a === 1", "`===` is no operator", "=== 1", "`==`"),
            ("inputs.a and inputs.b", "`and` is no operator", "and inputs.b", "`&&`"),
            ("inputs.a or inputs.b", "`or` is no operator", "or inputs.b", "`||`"),
            ("not inputs.a", "`not` is no operator", "not inputs.a", "`!`"),
            ("inputs.a | inputs.b", "`|` is no operator", "| inputs.b", "`||`"),
            ("inputs.a & inputs.b", "`&` is no operator", "& inputs.b", "`&&`"),
            ("'abc", "has no end", "'abc", "close it with '"),
            ("inputs.a + \"é", "has no end", "\"é", "close it with \""),
            ("'é' + inputs.a ]", "`]` closes nothing", "]", ""),
            ("(inputs.a", "`(` is never closed", "(inputs.a", "add `)`"),
            ("[inputs.a)", "`)` closes `[`", ")", "write `]`"),
            ("inputs.a inputs.b", "without an operator", "inputs.b", ""),
            ("inputs.a +", "ends too early", "", ""),
            ("inputs..a", "`.` is not expected", ".a", ""),
            ("'é' + + inputs.a", "`+` is not expected", "+ inputs.a", ""),
            ("True && inputs.a", "`True` is no value", "True && inputs.a", "`true`"),
            ("inputs.a == None", "`None` is no value", "None", "`null`"),
            ("if inputs.a", "`if` is no operator", "if inputs.a", "condition ? then : otherwise"),
            ("99999999999999999999", "too large for a whole number", "99999999999999999999", "63 bits"),
            ("inputs.l.map(1, 2)", "names an element", "1, 2)", "list.map(x, x.name)"),
            ("has(inputs)", "`has` asks for a member", "inputs)", "has(inputs.music)"),
            ("${{ inputs.a }}", "`${` is no operator", "${{ inputs.a }}", "leave it out"),
            ("“text”", "typographic quote", "“text”", "use ' or \""),
            ("größe", "`ö` cannot be part of a name", "öße", "other text goes into quotes"),
            ("   ", "the expression is empty", "   ", ""),
            ("inputs.`a-b`", "is no operator", "`a-b`", "x['a-b']"),
        ];
        for (source, message, place, help) in table {
            let said = refusal(source);
            assert!(said.0.contains(message), "{source}: {said:?}");
            assert_eq!(said.1, place, "{source}: {said:?}");
            assert!(said.2.contains(help), "{source}: {said:?}");
        }
    }

    #[test]
    fn names_are_known_or_refused() {
        let table = [
            ("input.topic", "`input` is not known here", "did you mean `inputs`?"),
            ("stage.a.outputs", "`stage` is not known here", "did you mean `stages`?"),
            ("inputs.a + banana", "`banana` is not known here", "an expression reads inputs, vars"),
            ("stages.my-clip.outputs", "`my-clip` is read as `my` minus `clip`", "`_`"),
            ("now()", "there is no function `now`", "run.started_at"),
            ("random()", "there is no function `random`", "run.seed"),
            ("inputs.a.upper()", "there is no function `upper`", "did you mean `upperAscii`?"),
            ("len(inputs.a)", "there is no function `len`", "size"),
            ("stages[inputs.a].outputs", "a stage is named in the expression", "stages.name"),
            ("size(stages)", "`stages` is read by name", "stages.name"),
            ("stages.map(s, s)", "`stages` is read by name", "stages.name"),
            ("inputs.l.map(item, item.x)", "`item` already has a meaning", "another name"),
            (".inputs.a", "a name does not begin with a dot", ""),
            ("Thing{a: 1}", "`Thing` is no type", ""),
        ];
        for (source, message, help) in table {
            let said = refusal(source);
            assert!(said.0.contains(message), "{source}: {said:?}");
            assert!(said.2.contains(help), "{source}: {said:?}");
        }
    }

    #[test]
    fn what_the_language_has_is_taken() {
        for source in [
            "inputs.a == 1 && !(inputs.b in [1, 2.5, 3u])",
            "inputs.?music.orValue(null)",
            "inputs.l.filter(x, x.size() > 2).map(x, x + '!')",
            "has(inputs.a) ? inputs.a : 'none' // said",
            "{'a': inputs.a, \"b\": r'\\d+'}['a']",
            "stages['scene'].outputs[0].video",
            "optional.of(inputs.a).optMap(x, x + 1).orValue(2)",
            "timestamp(run.started_at).getFullYear() == 2026",
            "'%s of %d'.format([inputs.a, 3])",
            "type(inputs.a) == int",
            "matrix.?height.orValue(1080)",
            "'''three\nlines'''",
            "-inputs.a - -3",
            "1e3 + .5 + 0xFF",
            "'größe' + \"\\u00e9\"",
        ] {
            if let Err(error) = parse(source) {
                panic!("{source}: {error:?}");
            }
        }
    }

    #[test]
    fn size_and_nesting_are_bounded_before_anything_recurses() {
        let refused = [
            ("a longer source", format!("'{}'", "x".repeat(EXPRESSION_CHARS_MAX)), "longer than"),
            ("brackets", format!("{}1{}", "(".repeat(2_000), ")".repeat(2_000)), "nested deeper"),
            ("lists", format!("{}1{}", "[".repeat(33), "]".repeat(33)), "nested deeper"),
            ("members", format!("inputs{}", ".a".repeat(2_000)), "more than 200 operators"),
            ("sums", format!("1{}", "+1".repeat(2_000)), "more than 200 operators"),
            ("negations", format!("{}true", "!".repeat(4_000)), "more than 200 operators"),
            ("choices", "true?1:".repeat(500) + "1", "more than 200 operators"),
            ("fewer choices", "true?1:".repeat(150) + "1", "nested too deeply"),
        ];
        for (what, source, message) in refused {
            assert!(refusal(&source).0.contains(message), "{what}");
        }
        let taken = [
            format!("inputs{}", ".a".repeat(EXPRESSION_OPERATORS_MAX)),
            format!("1{}", "+1".repeat(EXPRESSION_OPERATORS_MAX)),
            format!("{}1{}", "(".repeat(32), ")".repeat(32)),
            format!("{}1{}", "[".repeat(32), "]".repeat(32)),
            format!("[{}1]", "'word', ".repeat(400)),
            format!("{}1{}", "[1].map(x,[".repeat(10), "])".repeat(10)),
            format!("{}1{}", "{1:".repeat(32), "}".repeat(32)),
            "true?1:".repeat(50) + "1",
        ];
        for source in taken {
            assert!(parse(&source).is_ok(), "{}", &source[..20]);
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(6_000))]

        #[test]
        fn no_text_makes_the_parser_panic(source in "\\PC{0,60}") {
            let _ = parse(&source);
        }

        #[test]
        fn no_heap_of_tokens_makes_the_parser_panic(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..24)) {
            for source in [words.concat(), words.join(" ")] {
                if let Err(error) = parse(&source) {
                    proptest::prop_assert!(source.is_char_boundary(error.offset), "{source}: {error:?}");
                }
            }
        }
    }

    #[rustfmt::skip]
    const WORDS: &[&str] = &[
        "inputs", ".", ".?", "a", "stages", "(", ")", "[", "]", "{", "}", ",", ":", "?", "'é'", "\"x\"", "1", "2.5",
        "3u", "+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "!", "in", "map", "filter", "has", "size",
        "optMap", "orValue", "x", "true", "null", "//", "\n", "r'\\'", "b'\\xff'", "'\\u12'", "'''", "0x", "1e", "`",
        "item", "if", "_", "@",
    ];
}
