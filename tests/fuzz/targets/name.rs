//! `name`: file names from URLs, option lines and templates. Every line of the data is one path;
//! the first is a template too.

use super::{lines, random_of};
use ringpull::limits;
use ringpull::plan::name::{Names, Template, from_target, numbered, relative_dir, relative_path};
use ringpull::plan::target::Target;
use std::collections::HashSet;

pub(crate) fn target(data: &[u8]) {
    let mut random = random_of(data);
    let paths: Vec<_> = lines(data, 64).map(|line| String::from_utf8_lossy(line)).collect();
    let template = Template::parse(&paths[0]).ok();
    let mut asked = Vec::new();
    for path in &paths {
        if let Ok(path) = relative_path(path) {
            asked.push(path);
        }
        match relative_dir(path) {
            Ok(dir) if dir.is_empty() => {}
            Ok(dir) => check(&dir),
            Err(_) => assert!(relative_path(path).is_err()),
        }
        if let Ok(target) = Target::parse(&format!("http://host.example/{path}")) {
            let name = from_target(&target);
            assert!(!name.contains('/'), "{name:?}");
            asked.extend(template.as_ref().map(|it| it.render(random.u64(..), &target)));
            asked.push(name);
        }
    }
    claims(&asked, &mut random);
}

/// Claims every path twice: all are distinct, safe, and in the directory that was asked for.
fn claims(asked: &[String], random: &mut fastrand::Rng) {
    let mut names = Names::new();
    let mut claimed = HashSet::new();
    for (index, path) in (1_u64..).zip(asked.iter().chain(asked)) {
        check(path);
        let name = names.claim(path.clone(), index, false);
        let another = numbered(path, random.u64(..));
        assert_ne!(another, *path);
        for derived in [&name, &another] {
            check(derived);
            assert_eq!(directory(derived), directory(path));
        }
        assert!(claimed.insert(name.clone()), "{name:?} twice");
    }
}

fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// A relative path of safe components.
pub(super) fn check(path: &str) {
    assert!(!path.is_empty());
    for component in path.split('/') {
        assert!((1..=limits::NAME_BYTES_MAX).contains(&component.len()), "{component:?}");
        assert!(!component.starts_with(['.', '-', '~']), "{component:?}");
        assert!(!component.contains(is_unsafe), "{component:?}");
    }
}

/// Separators, controls, and what reorders or hides text (Unicode, "Bidi_Control" and neighbours).
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '/' | '\\' | '\u{feff}' | '\u{ad}' | '\u{61c}')
        || ('\u{200b}'..='\u{200f}').contains(&c)
        || ('\u{2028}'..='\u{202e}').contains(&c)
        || ('\u{2060}'..='\u{206f}').contains(&c)
}
