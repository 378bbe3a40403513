//! What files name of one another: `use` declarations and paths in the code, each looked up in the
//! file that defines it.

use super::source::{Line, Source, is_word, words};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The files of a crate, and which of them name which.
#[derive(Debug)]
pub(crate) struct Graph {
    /// Path of every file, in order.
    pub(crate) files: Vec<String>,
    /// For each file the files that it names, and where: index of the line, and what is named.
    pub(crate) edges: Vec<BTreeMap<usize, BTreeSet<(usize, String)>>>,
}

/// One file as a module: its product code, apart into declarations and the rest.
struct Module {
    path: Vec<String>,
    imports: Vec<Import>,
    /// Names of the items that are written in the file.
    items: BTreeSet<String>,
    /// Code without `use` declarations and tests; as many lines as the file.
    code: String,
}

/// One leaf of a `use` declaration.
#[derive(Debug)]
struct Import {
    /// Segments as written; `*` last for a glob.
    path: Vec<String>,
    /// What the file calls it.
    name: String,
    is_public: bool,
    line: usize,
}

impl Graph {
    /// Reads the files below `src/` but `main.rs`, a crate of its own. Tests name what they like.
    pub(crate) fn new(sources: &[Source]) -> Self {
        let is_product = |source: &&Source| {
            source.path.starts_with("src/")
                && source.path != "src/main.rs"
                && source.product().next().is_some()
        };
        let sources: Vec<&Source> = sources.iter().filter(is_product).collect();
        let modules: Vec<Module> = sources.iter().map(|source| Module::new(source)).collect();
        let by_path = modules.iter().enumerate().map(|(index, module)| (&*module.path, index));
        let crate_ = Crate { modules: &modules, by_path: by_path.collect() };
        Self {
            files: sources.iter().map(|source| source.path.clone()).collect(),
            edges: (0..modules.len()).map(|index| crate_.edges_of(index)).collect(),
        }
    }
}

impl Module {
    fn new(source: &Source) -> Self {
        let line = |line: &Line| if line.is_test { String::new() } else { line.code.clone() };
        let code = source.lines.iter().map(line).collect::<Vec<_>>().join("\n");
        let (imports, code) = take_imports(&code);
        let inner = source.path.trim_start_matches("src/").trim_end_matches(".rs");
        let inner = inner.trim_end_matches("/mod");
        let path = if inner == "lib" { Vec::new() } else { segments(inner, "/") };
        Self { path, imports, items: items(&code), code }
    }
}

/// Names of what a blanked text defines: functions and constants of types too, which does no harm.
fn items(code: &str) -> BTreeSet<String> {
    let kinds = ["fn", "struct", "enum", "trait", "const", "static", "type"];
    let words: Vec<&str> = words(code).map(|(_, word)| word).collect();
    let pairs = words.windows(2).filter(|pair| kinds.contains(&pair[0]));
    pairs.map(|pair| pair[1].to_owned()).collect()
}

struct Crate<'a> {
    modules: &'a [Module],
    by_path: HashMap<&'a [String], usize>,
}

impl Crate<'_> {
    fn edges_of(&self, index: usize) -> BTreeMap<usize, BTreeSet<(usize, String)>> {
        let module = &self.modules[index];
        let mut edges = BTreeMap::new();
        let mut add = |path: &[String], line: usize| {
            let Some((found, item)) = self.definition(index, path, 0) else { return };
            // A module alone is no use of it yet: what is used of it stands in the code.
            let Some(item) = item.first().filter(|_| found != index) else { return };
            edges.entry(found).or_insert_with(BTreeSet::new).insert((line, item.clone()));
        };
        let (words, paths) = names(&module.code);
        for import in &module.imports {
            // What is only handed on is looked up by those who use it.
            if !import.is_public || words.contains(&import.name.as_str()) {
                add(&import.path, import.line);
            }
        }
        for (line, path) in paths {
            add(&path, line);
        }
        edges
    }

    /// The module that defines what a path means in module `from`, and the rest of the path in it.
    fn definition(
        &self,
        from: usize,
        path: &[String],
        depth: usize,
    ) -> Option<(usize, Vec<String>)> {
        // Two modules with globs of each other, or a name imported under itself, would go on.
        if depth > 8 {
            return None;
        }
        let module = &self.modules[from];
        let first = path.first()?;
        let mut at = module.path.clone();
        let rest = match first.as_str() {
            "crate" => {
                at.clear();
                &path[1..]
            }
            "self" => &path[1..],
            "super" => {
                let count = path.iter().take_while(|name| *name == "super").count();
                at.truncate(at.len().checked_sub(count)?);
                &path[count..]
            }
            _ => {
                let import = module.imports.iter().find(|import| import.name == *first);
                if let Some(import) = import.filter(|import| import.path != path) {
                    let whole = [&import.path[..], &path[1..]].concat();
                    return self.definition(from, &whole, depth + 1);
                }
                let child = [&at[..], &path[..1]].concat();
                self.by_path.get(&*child)?;
                path
            }
        };
        self.below(&[&at[..], rest].concat(), depth)
    }

    /// The module that defines what a path from the top of the crate means, and the rest of it.
    fn below(&self, path: &[String], depth: usize) -> Option<(usize, Vec<String>)> {
        let found = (0..=path.len())
            .rev()
            .find_map(|len| self.by_path.get(&path[..len]).map(|&module| (module, &path[len..])));
        let (index, rest) = found?;
        let module = &self.modules[index];
        let Some(item) = rest.first().filter(|item| !module.items.contains(*item) && *item != "*")
        else {
            return Some((index, rest.to_vec()));
        };
        if let Some(import) = module.imports.iter().find(|import| import.name == *item) {
            let whole = [&import.path[..], &rest[1..]].concat();
            if let Some(found) = self.definition(index, &whole, depth + 1) {
                return Some(found);
            }
        }
        for glob in module.imports.iter().filter(|import| import.name == "*") {
            let whole = [&glob.path[..glob.path.len() - 1], rest].concat();
            let found = self.definition(index, &whole, depth + 1);
            if let Some(found) =
                found.filter(|(other, _)| self.modules[*other].items.contains(item))
            {
                return Some(found);
            }
        }
        Some((index, rest.to_vec()))
    }
}

/// The `use` declarations of blanked code, and the code without them.
fn take_imports(code: &str) -> (Vec<Import>, String) {
    let (mut imports, mut rest) = (Vec::new(), code.to_owned());
    for (at, _) in code.match_indices("use ") {
        let before = code[..at].trim_end_matches(' ');
        let is_declared = before.ends_with(['\n', ';', '{', '}', ']', ')']) || before.is_empty();
        let is_public = before.ends_with("pub") || before.ends_with(')');
        let end = code[at..].find(';').map(|end| at + end);
        let Some(end) = end.filter(|_| is_declared || is_public) else { continue };
        let line = code[..at].matches('\n').count();
        leaves(&[], &code[at + "use ".len()..end], &mut |path, name| {
            imports.push(Import { path, name, is_public, line });
        });
        let blank: String =
            code[at..=end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        // Blanked code may hold wide characters in no place but literals and comments.
        if blank.len() == end + 1 - at {
            rest.replace_range(at..=end, &blank);
        }
    }
    (imports, rest)
}

/// Each path of a use tree, with the name that it gets: `a::{self, b as c, d::*}`.
fn leaves(prefix: &[String], tree: &str, found: &mut impl FnMut(Vec<String>, String)) {
    let tree = tree.trim();
    if let Some(group) = group(tree) {
        for member in group {
            leaves(prefix, member, found);
        }
        return;
    }
    let (first, rest) = name(tree);
    let first = if tree.starts_with('*') { "*".to_owned() } else { first };
    let mut path = prefix.to_vec();
    if first != "self" || prefix.is_empty() {
        path.push(first);
    }
    if let Some(rest) = rest.strip_prefix("::") {
        leaves(&path, rest, found);
        return;
    }
    let alias = rest.trim().strip_prefix("as ").map(|alias| alias.trim().to_owned());
    let Some(last) = path.last().cloned() else { return };
    found(path, alias.unwrap_or(last));
}

/// Every word of the code, and every path of two or more with the index of its line.
fn names(code: &str) -> (Vec<&str>, Vec<(usize, Vec<String>)>) {
    let (mut words, mut paths) = (Vec::new(), Vec::new());
    for (index, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(begin) = rest.find(is_word) {
            let end = rest[begin..]
                .find(|c| !is_word(c) && c != ':')
                .map_or(rest.len(), |end| begin + end);
            let run = rest[begin..end].trim_end_matches(':');
            words.extend(run.split(':').filter(|word| !word.is_empty()));
            let path = segments(run, "::");
            // `a: b` is a type, `::a` the path of a crate, `.a` a member.
            if path.len() > 1 && !rest[..begin].ends_with([':', '.']) {
                paths.push((index, path));
            }
            rest = &rest[end..];
        }
    }
    (words, paths)
}

fn segments(text: &str, between: &str) -> Vec<String> {
    text.split(between).map(str::to_owned).collect()
}

/// The word that the text begins with, and the rest.
pub(crate) fn name(text: &str) -> (String, &str) {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    (text[..end].to_owned(), &text[end..])
}

/// The members of `{a, b::{c, d}}`.
pub(crate) fn group(text: &str) -> Option<Vec<&str>> {
    let inner = text.strip_prefix('{')?;
    let (mut depth, mut begin, mut members) = (0_usize, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                members.push(&inner[begin..at]);
                begin = at + 1;
            }
            '}' => {
                members.push(&inner[begin..at]);
                break;
            }
            _ => {}
        }
    }
    members.retain(|member| !member.trim().is_empty());
    Some(members)
}
