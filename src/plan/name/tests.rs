//! Tables of names, and properties over any of them.

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;
use std::path::{Component, Path};

fn name_of(url: &str) -> String {
    from_target(&Target::parse(url).unwrap_or_else(|problem| panic!("{url}: {problem:?}")))
}

#[test]
fn names_of_urls() {
    let table = [
        ("http://h/a/b/photo.jpg", "photo.jpg"),
        ("http://h/photo.jpg?size=1/2", "photo.jpg"),
        ("http://h/", "index"),
        ("http://h", "index"),
        ("http://h/a/b/", "index"),
        ("http://h/a/..", "index"),
        ("http://h/a%20b.jpg", "a b.jpg"),
        ("http://h/%E9.jpg", "%E9.jpg"),
        ("http://h/%C3%A9.jpg", "é.jpg"),
        ("http://h/é.jpg", "é.jpg"),
        ("http://h/%2e%2e%2fetc%2fpasswd", "_._etc_passwd"),
        ("http://h/%252e%252e%252fx", "%2e%2e%2fx"),
        ("http://h/..%2f..%2fx", "_._.._x"),
        ("http://h/..%5c..%5cx", "_._.._x"),
        ("http://h/%2f", "_"),
        ("http://h/%00x%0a%1b[31m%7f", "_x__[31m_"),
        ("http://h/%C2%9B31m", "_31m"),
        ("http://h/gpj.%E2%80%AEexe", "gpj._exe"),
        ("http://h/a%E2%80%8B%EF%BB%BFb", "a__b"),
        ("http://h/.bashrc", "_bashrc"),
        ("http://h/...", "_.."),
        ("http://h/-rf", "_rf"),
        ("http://h/~root", "_root"),
        ("http://h/a~b-c", "a~b-c"),
        ("http://h/%F0%9F%98%80", "😀"),
        ("http://h/100%", "100%"),
    ];
    for (url, expected) in table {
        assert_eq!(name_of(url), expected, "{url}");
    }
}

#[test]
fn long_names_are_cut_and_stay_two() {
    let a = name_of(&format!("http://h/{}a.jpeg", "x".repeat(300)));
    let b = name_of(&format!("http://h/{}b.jpeg", "x".repeat(300)));
    assert_eq!((a.len(), b.len()), (255, 255));
    assert!(a.starts_with("xxx") && a.ends_with(".jpeg") && b.ends_with(".jpeg"));
    assert_ne!(a, b);
    assert_eq!(a, name_of(&format!("http://h/{}a.jpeg", "x".repeat(300))));
    // Two bytes a letter: the cut may not halve one.
    let accents = name_of(&format!("http://h/{}.jpg", "é".repeat(200)));
    assert!(accents.len() >= 254 && accents.ends_with(".jpg"), "{accents}");
    assert_eq!(name_of(&format!("http://h/{}", "x".repeat(255))), "x".repeat(255));
    // What follows the last dot is no extension here, and there is nothing to keep of it.
    assert_eq!(name_of(&format!("http://h/a.{}", "y".repeat(300))).len(), 255);
}

#[test]
fn extensions() {
    let table = [
        ("a.jpg", ("a", ".jpg")),
        ("a.tar.gz", ("a.tar", ".gz")),
        ("a", ("a", "")),
        ("a.", ("a.", "")),
        (".x", (".x", "")),
        ("a.b c", ("a.b c", "")),
        ("a.12345678901234567", ("a.12345678901234567", "")),
    ];
    for (name, expected) in table {
        assert_eq!(split_extension(name), expected);
    }
}

#[test]
fn given_paths_are_relative_and_safe() {
    let table = [
        ("a.jpg", Ok("a.jpg")),
        ("sub/a.jpg", Ok("sub/a.jpg")),
        ("./a//b/./c/", Ok("a/b/c")),
        ("a b/é", Ok("a b/é")),
        (".hidden/-x/~y", Ok("_hidden/_x/_y")),
        ("a..b/c..", Ok("a..b/c..")),
        ("a\x1b/b\0", Ok("a_/b_")),
        ("100%41", Ok("100%41")),
        ("", Err(InputProblem::Name)),
        (".", Err(InputProblem::Name)),
        ("./", Err(InputProblem::Name)),
        ("/", Err(InputProblem::Name)),
        ("/etc/passwd", Err(InputProblem::Name)),
        ("..", Err(InputProblem::Name)),
        ("../x", Err(InputProblem::Name)),
        ("a/../../x", Err(InputProblem::Name)),
        ("a/..", Err(InputProblem::Name)),
        ("..\\x", Err(InputProblem::Name)),
        ("a\\..\\x", Err(InputProblem::Name)),
    ];
    for (path, expected) in table {
        assert_eq!(relative_path(path), expected.map(str::to_owned), "{path:?}");
    }
    assert_eq!(relative_path(&"x/".repeat(600)), Err(InputProblem::Name));
    assert_eq!(relative_dir("./").as_deref(), Ok(""));
    assert_eq!(relative_dir("a/b/").as_deref(), Ok("a/b"));
    assert_eq!(relative_dir("a/../b"), Err(InputProblem::Name));
}

#[test]
fn templates_give_paths() {
    let table = [
        ("{seq:06}-{name}", "000042-a.tar.gz"),
        ("{seq}", "42"),
        ("{host}/{stem}_{seq:03}.{ext}", "h.example/a.tar_042.gz"),
        ("x{{{seq}}}", "x{42}"),
        (".{name}", "_a.tar.gz"),
        ("{ext}/{ext}", "gz/gz"),
    ];
    let target = Target::parse("http://H.example/d/a.tar.gz").expect("a URL");
    for (text, expected) in table {
        let template = Template::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(template.render(42, &target), expected, "{text}");
    }
    let plain = Target::parse("http://h/plain").expect("a URL");
    let render = |text| Template::parse(text).expect("a template").render(1, &plain);
    assert_eq!(render("{seq}.{ext}"), "1");
    assert_eq!(render("{ext}/{name}"), "index/plain");
    let address = Target::parse("http://[::1]/x").expect("a URL");
    assert_eq!(Template::parse("{host}").expect("a template").render(1, &address), "::1");
}

#[test]
fn bad_templates_are_refused() {
    use TemplateError::{Brace, Path};
    let field = |name: &str| TemplateError::Field(name.to_owned());
    let table = [
        ("", Path),
        ("/x", Path),
        ("../{name}", Path),
        ("a//b", Path),
        ("a/", Path),
        ("a/b/c/d/e/f/g/h/i", Path),
        ("{name", Brace),
        ("name}", Brace),
        ("{na/me}", Brace),
        ("{}", field("")),
        ("{Name}", field("Name")),
        ("{index}", field("index")),
        ("{seq:6}", field("seq:6")),
        ("{seq:0}", field("seq:0")),
        ("{seq:00}", field("seq:00")),
        ("{seq:021}", field("seq:021")),
        ("{seq:0+6}", field("seq:0+6")),
        ("{seq:0006}", field("seq:0006")),
    ];
    for (text, expected) in table {
        assert_eq!(Template::parse(text), Err(expected), "{text}");
    }
    let message = field("\x1bx").to_string();
    assert!(message.contains("{host}") && message.contains(r"{\u{1b}x}"), "{message}");
}

#[test]
fn the_first_comer_keeps_the_name() {
    let mut names = Names::new();
    let mut claim = |path: &str, index| names.claim(path.to_owned(), index, false);
    assert_eq!(claim("a.jpg", 1), "a.jpg");
    assert_eq!(claim("a.jpg", 2), "a.2.jpg");
    assert_eq!(claim("d/a.jpg", 3), "d/a.jpg");
    assert_eq!(claim("d/a.jpg", 4), "d/a.4.jpg");
    assert_eq!(claim("a.7.jpg", 5), "a.7.jpg");
    assert_eq!(claim("a.7.2.jpg", 6), "a.7.2.jpg");
    assert_eq!(claim("a.jpg", 7), "a.7.3.jpg");
    assert_eq!(claim("d.x/a", 8), "d.x/a");
    assert_eq!(claim("d.x/a", 9), "d.x/a.9");
    assert_eq!(claim("a.tar.gz", 10), "a.tar.gz");
    assert_eq!(claim("a.tar.gz", 11), "a.tar.11.gz");
    assert_eq!(claim("a~12.jpg", 12), "a~12.jpg");
    assert_eq!(claim("foo~1", 12), "foo~1");
    let long = format!("{}.jpg", "x".repeat(251));
    assert_eq!(claim(&long, 13), long);
    assert_eq!(claim(&long, 14), format!("{}.14.jpg", "x".repeat(248)));
}

#[test]
fn where_names_fold_another_spelling_is_another_name() {
    let mut names = Names::new();
    let mut claim = |path: &str, index| names.claim(path.to_owned(), index, true);
    assert_eq!(claim("urls.txt", 0), "urls.txt");
    assert_eq!(claim("URLS.TXT", 1), "URLS.1.TXT");
    assert_eq!(claim("Photo.jpg", 2), "Photo.jpg");
    assert_eq!(claim("photo.jpg", 3), "photo.3.jpg");
    assert_eq!(claim("photo.3.JPG", 4), "photo.3.4.JPG");
    assert_eq!(claim("a/B", 5), "a/B");
    assert_eq!(claim("A/b", 6), "A/b.6");
    assert_eq!(claim("\u{e9}", 7), "\u{e9}");
    assert_eq!(claim("e\u{301}", 8), "e\u{301}.8");
}

#[test]
fn the_same_list_gives_the_same_names() {
    let run = || {
        let mut names = Names::new();
        (0..5_000).map(|i| names.claim(format!("{}.jpg", i % 700), i, false)).collect::<Vec<_>>()
    };
    let names = run();
    assert_eq!(names, run());
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    // What the hash says may never change: names of a second run must match those of the first.
    assert_eq!(hash64(b""), 0x0000_0000_0000_0000);
    assert_eq!(hash64(b"photo-0001.jpg"), 0xaeb1_6156_5546_0bd2);
}

#[test]
fn false_hits_are_rare_and_memory_is_bounded() {
    let mut names = Names::new();
    assert!(names.bytes() <= 100 << 10);
    let mut longer = 0;
    for i in 0..60_000 {
        let path = format!("image-{i}.jpg");
        longer += u32::from(names.claim(path.clone(), i, false) != path);
        // A claimed name is never missed.
        assert!(!names.insert(&path, false));
    }
    assert!(longer <= 2, "{longer} of 60,000 names were lengthened");
    assert!(names.bytes() <= 2 << 20);
}

#[test]
fn an_overfull_filter_still_gives_distinct_names() {
    let mut names = Names::new();
    names.saturate();
    assert_eq!(names.bytes(), limits::NAMES_CLAIMED_BYTES_MAX);
    let mut seen = HashSet::new();
    for index in 0..2_000 {
        for path in ["a.jpg", "a", "a.b c", "a~3.jpg", "a~3", "a.~7.x y"] {
            let index = index * 6 + seen.len() as u64 % 6;
            let name = names.claim(path.to_owned(), index, false);
            assert!(name.len() <= 255 && seen.insert(name.clone()), "{name}");
        }
    }
}

fn check_path(path: &str) -> Result<(), TestCaseError> {
    let dir = Path::new("/some/dir");
    let joined = dir.join(path);
    prop_assert!(joined.starts_with(dir));
    let below = joined.strip_prefix(dir).expect("just checked");
    let components: Vec<_> = below.components().collect();
    prop_assert!(!components.is_empty());
    prop_assert!(components.iter().all(|c| matches!(c, Component::Normal(_))), "{path:?}");
    for name in path.split('/') {
        prop_assert!((1..=255).contains(&name.len()), "{name:?}");
        prop_assert!(!name.starts_with(['.', '-', '~']), "{name:?}");
        prop_assert!(name.chars().all(is_safe_char), "{name:?}");
        prop_assert!(!name.bytes().any(|b| b.is_ascii_control()), "{name:?}");
    }
    Ok(())
}

/// Text where dots, slashes, escapes and long runs are common.
fn hostile() -> impl Strategy<Value = String> {
    let bit = prop_oneof![
        "[./~-]{1,3}",
        "%[0-9a-fA-F]{2}",
        "[a-z%é😀\u{202e}\u{7f}]{1,90}",
        any::<String>(),
    ];
    prop::collection::vec(bit, 0..8).prop_map(|bits| bits.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_name_stays_below_its_directory(path in hostile(), index in any::<u64>()) {
        let clean = path.replace(|c: char| c.is_ascii_control() || c == '\\', "");
        let target = Target::parse(&format!("http://h/{clean}")).expect("a clean path");
        let name = from_target(&target);
        prop_assert!(!name.contains('/'));
        check_path(&name)?;
        let template = Template::parse("{host}/{ext}/{stem}{seq:012}.{name}.{ext}").expect("valid");
        check_path(&template.render(index, &target))?;
    }

    #[test]
    fn a_given_path_stays_below_its_directory(path in hostile()) {
        if let Ok(path) = relative_path(&path) {
            check_path(&path)?;
            prop_assert_eq!(relative_path(&path), Ok(path));
        }
    }

    #[test]
    fn any_bytes_make_a_safe_component(bytes in any::<Vec<u8>>(), times in 1_usize..40) {
        let name = safe_component(&bytes.repeat(times));
        prop_assert!(!name.contains('/'));
        check_path(&name)?;
    }

    #[test]
    fn a_template_stays_below_the_directory(text in "[a-z./{}~-]{0,12}", literal in hostile()) {
        let target = Target::parse("http://h/.x").expect("a URL");
        for text in [text.clone(), format!("{text}{{name}}"), format!("{{ext}}{literal}")] {
            if let Ok(template) = Template::parse(&text) {
                check_path(&template.render(7, &target))?;
            }
        }
    }

    #[test]
    fn claims_are_distinct(
        paths in prop::collection::vec("[ab~.1-3AB]{1,6}(\\.[12])?", 1..200),
        folds in any::<bool>(),
    ) {
        let mut names = Names::new();
        let mut seen = HashSet::new();
        for (index, path) in paths.iter().enumerate() {
            let path = relative_path(path).unwrap_or_else(|_| "index".to_owned());
            let name = names.claim(path, index as u64, folds);
            check_path(&name)?;
            let key = if folds { fold::folded(&name) } else { name.clone() };
            prop_assert!(seen.insert(key), "{name}");
        }
    }
}

#[test]
fn what_was_asked_for_is_known_by_what_was_given() {
    let long = "x".repeat(limits::NAME_BYTES_MAX);
    let paths = ["a.jpg", "d/a.jpg", "README", "a.5.jpg", "a.b.c", "9", "x.2", &long];
    for asked in paths {
        let mut names = Names::new();
        let was =
            |given: &str, is_renamed| was_asked_as(given, 5, is_renamed, |path| path == asked);
        for count in 0..4 {
            // Taken by itself, by the name with the number, and so on.
            let given = names.claim(asked.to_owned(), 5, false);
            assert!(was(&given, false), "{asked} was given {given}");
            assert!(was(&numbered(&given, 17), true), "{asked} was given {given}");
            assert_eq!(given == asked, count == 0);
        }
        names.saturate();
        let given = names.claim(asked.to_owned(), 5, false);
        assert!(given.contains("~5.") && was(&given, false), "{asked} was given {given}");
    }
    for (asked, given) in [
        ("a.jpg", "b.jpg"),
        ("a.jpg", "d/a.jpg"),
        ("a.jpg", "a.6.jpg"),
        ("a.jpg", "a.jpg.gz"),
        ("img.1.jpg", "img.2.jpg"),
        ("img.1.jpg", "img.jpg"),
    ] {
        assert!(!was_asked_as(given, 5, false, |path| path == asked), "{asked} {given}");
    }
}
