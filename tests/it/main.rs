//! Integration tests: the real binary, run as a subprocess against the embedded origin, servers
//! that misbehave on request, and nginx. No fixed port, no outside network, no stopwatch.

// The harness, tested by itself.
mod certs; // certificates that are good, or bad in one way
mod cmd; // runs the binary and reads what it left behind
#[path = "../conformance/driver.rs"]
mod driver; // feeds bytes to the reader of responses
mod filter; // runs the binary where one system call fails
#[path = "../conformance/fixture.rs"]
mod fixture; // the replies of tests/http
mod large_origin; // large files of the embedded origin, and what was stored of them
mod nameserver; // a DNS server with the answers of the test
mod nginx; // Debian's nginx on free ports, and pulls from it
mod origin; // the embedded origin, asked by a raw socket and by curl
mod origin_ranges; // its ranges, validators, changes and faults
mod python; // other readers and writers of files, in Python
mod relay; // a proxy, well-behaved or not
mod rude; // a server that does to each request what a script says
mod sockets; // ports that refuse, ports that swallow, one raw exchange

// What the program promises.
mod adopted; // files that curl and wget left unfinished, with -c
mod again; // what --verify found is pulled again by the same command
mod answers; // what is an answer to a request for the whole, and what is none
mod aria2; // lists and sessions of aria2, and what one line may ask for
mod backends; // the same rows and files, whatever moves the bytes
mod bench; // the bench: small matrices, what it writes, and how it ends
mod budget; // runs that end before their list, and what they may cost
mod changes; // lines that are done and ask for something else by now
mod checksums; // what is stored is what was asked for, or nothing
mod coding; // --compressed: what is decoded, and what is stored as sent
mod columns; // what a report says of the list, so that both can be joined
mod configured; // options from a config file and the environment
mod dedupe;
mod dirs; // --dirs: which folder a file goes into
mod discard; // --discard: rows and no files
mod disk; // full, read-only and vanished places; flushing and reserving
mod disposition; // names that servers propose
mod dns; // lookups: families, caching, overrides
mod dns_cache; // what one run tells the next about names
mod dns_servers; // many names, and servers that fail
mod documented; // the commands that the topics of the help show
mod drafts; // files beside the one they replace: not followed, not left behind
mod embed; // pulls within another program
mod endless; // servers that never come to an end
mod eyeballs; // hosts with several addresses: who is connected to, and what becomes of the others
mod faults; // each bad input has its code, its row, and costs nothing else
mod fetch; // thousands of files, every framing, every file-ops mode, caps
mod filesystems; // names and files where the file system is not like ext4
mod flow; // bodies that go to no file go on where they ended
mod full; // a disk that is full: the run waits, goes on, or stops
mod gone; // reports that are deleted or moved while their run goes on
mod hostile; // every reply of tests/http through the real binary
mod idle; // what comes between two requests is no answer
mod inputs; // every format of lists, packed or not, wherever it comes from
mod integrity; // what is not as the report says is pulled again
mod killed; // a large file that is killed again and again, and changes
mod large; // big bodies, byte by byte
mod leaks; // descriptors return after failures
mod lists; // lists as they come from elsewhere
mod locations; // every form of Location, and what cannot be followed
mod long; // long bodies go on where they ended
mod made_up; // --network memory: files that nobody may take for those of a server
mod memory; // what one connection costs at most
mod metalink; // metalinks as lists: names, digests, sizes, pieces
mod mirrors; // several sources of one file: who is asked when one fails
mod names; // safe, distinct, deterministic names; conflicts
mod not_ours; // devices and the like in the tree stay; what was replaced is counted
mod own_files; // no download takes the place of a file that the run needs
mod pace; // bandwidth limits
mod packaged; // the page of the manual, and completions in real shells
mod packed; // reports as gzip and zstd: read by others, torn, continued
mod parquet; // Parquet files as lists, written by pyarrow
mod parquet_report; // reports in Parquet: read by others, continued, killed
mod pipeline; // --pipeline: requests that are sent before their turn
mod politeness; // what is asked of one host: connections, rests, rates, dead hosts
mod private; // no spelling, name or redirect leads to a private address
mod proxy; // who is asked for what, and who sees which credentials
mod redirects; // followed, limited, and never leaking credentials
mod refusals; // hosts that refuse what is too much, and URLs that are always refused
mod report; // one row per line, in each format; statistics that add up
mod resume; // a run is taken up again from its report
mod retry; // what is tried again, when, and what is not
mod reuse; // kept connections, and what servers do to them
mod robots; // robots.txt and X-Robots-Tag: obeyed when asked to
mod rows; // where rows go, and what is made visible in them
mod scale; // lists of any length: what is told of them, who gets which lines
mod scarce; // descriptors that run out slow a run down
mod secrets; // they go to their origin, and nowhere else
mod shards; // --output-format: archives that others read, and that are taken up again
mod signals; // SIGINT once and twice
mod sizes; // bodies larger than allowed
mod slow; // bodies that come slowly
mod spark; // a Spark job: killed executors, second attempts, and what must be asked once
mod split; // one file over several connections, and what servers do to that
mod spread; // one file from several hosts, and what mirrors do to that
mod stdout; // a body on standard output, once and exact
mod streams; // -o into FIFOs, devices and descriptors
mod taken_up; // -c on files that are there, and what servers do to the rest of one
mod timestamps; // -N and -R: the time of files, and what has not changed
mod tls; // each bad certificate, and the ways around
mod tls_client; // client certificates, pins, versions, and bad files of them
mod tls_server; // servers that break TLS in the handshake or after it
mod topics; // what README and help say to type works
mod trust; // whom TLS trusts, as curl does, and what is said of others
mod two_runs; // two at once: one report, one file, one unfinished file
mod uring_absent; // the message when the kernel has no io_uring for us
mod usual_ways; // scripts/bench-python: all who are compared pull the same bytes
mod watch; // what is told of a run while it goes on
mod wheel; // what scripts/release makes: installed, used from Python, licensed
