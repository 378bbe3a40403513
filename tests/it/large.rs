//! Big bodies through every file-ops mode, compared byte by byte with what the origin has.

use crate::cmd::Sandbox;
use crate::fetch::FILE_OPS;
use crate::origin::serve;
use ringpull::origin;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const LEN: u64 = 50_000_000;

fn assert_content(path: &Path, seed: u64) {
    let mut file = File::open(path).unwrap();
    let metadata = file.metadata().unwrap();
    assert_eq!(metadata.len(), LEN, "{}", path.display());
    let (mut got, mut wanted) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut offset = 0;
    while offset < LEN {
        let len = got.len().min(usize::try_from(LEN - offset).unwrap());
        file.read_exact(&mut got[..len]).unwrap();
        origin::fill(seed, offset, &mut wanted[..len]);
        assert!(got[..len] == wanted[..len], "{} differs after {offset}", path.display());
        offset += len as u64;
    }
    assert_eq!(metadata.nlink(), 1);
}

#[test]
fn fifty_megabytes_in_every_file_ops_mode() {
    let served = serve();
    for mode in FILE_OPS {
        let sandbox = Sandbox::new();
        let paths = [format!("/bytes/{LEN}/length"), format!("/chunked/{LEN}/chunked")];
        let urls = [served.http(&paths[0]), served.https(&paths[1])];
        let pull = sandbox.pull().args(["--file-ops", mode]).arg("--cacert").arg(served.ca());
        let done = pull.list(&urls).run();
        done.assert_ok(2);
        for (url, path) in urls.iter().zip(&paths) {
            assert_content(Path::new(&done.row(url)["filename"]), origin::seed(path));
            assert_eq!(done.row(url)["size_download"], LEN.to_string(), "{mode}");
        }
        assert_eq!(sandbox.temporaries(), Vec::<String>::new(), "{mode}");
    }
}
