//! The constants that more than one file or a user knows, each with its unit in its name; a
//! constant that only one file knows stands at its end. A value that a user may change is a default
//! here and a field of [`crate::config::Config`]; the rest are fences that keep hostile input
//! finite.

/// Longest response head in bytes, interim responses included.
pub const HEAD_BYTES_MAX: usize = 128 * 1024;
/// Longest text of a field of a response head that is kept (`Content-Type`, `ETag`), in bytes. Jobs
/// that wait for another attempt keep theirs, and there may be very many of them.
pub const HEAD_TEXT_BYTES_MAX: usize = 1_024;
/// Most field lines in one response head.
pub const HEAD_FIELDS_MAX: usize = 256;
/// Most interim (1xx) responses before the final one.
pub const INTERIM_RESPONSES_MAX: u32 = 16;
/// Longest chunk-size line in bytes, extensions included.
pub const CHUNK_LINE_BYTES_MAX: usize = 8 * 1024;
/// Most bytes of chunk extensions in one body.
pub const CHUNK_EXTENSIONS_BYTES_MAX: usize = 16 * 1024;
/// Most bytes of trailer section in one body.
pub const TRAILER_BYTES_MAX: usize = 16 * 1024;
/// Limit that lengths of bodies and chunks are below, in bytes: what a file offset can hold.
pub const BODY_BYTES_LIMIT: u64 = 1 << 63;

/// Bytes that a decoded body may have whatever was received for it.
pub const DECODED_BYTES_FREE: u64 = 64 << 20;
/// Bytes that a decoded body may have beyond that for each byte received. Text hardly ever packs
/// better than 20 to 1; a bomb needs the 1032 to 1 that are the most deflate can do (RFC 1951).
pub const DECODED_BYTES_PER_BYTE_MAX: u64 = 100;

/// Longest line of a text list, and longest URL, in bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Most mirrors of one file that are kept, the best ones: whoever has failed at as many sources has
/// no file to give.
pub const MIRRORS_MAX: usize = 64;
/// Most bytes of the digests of the pieces of one file: a hundred thousand pieces and more. They
/// wait in memory with their job.
pub const PIECES_BYTES_MAX: usize = 4 << 20;
/// Longest row of a table, line breaks within quotes included, and longest JSON object, in bytes:
/// both hold more than URLs.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// Longest file of an option (certificates, keys, netrc, fields) in bytes. The certificates of a
/// whole system are less than one MiB.
pub const OPTION_FILE_BYTES_MAX: u64 = 16 << 20;
/// Longest file name in bytes (`NAME_MAX` of Linux file systems).
pub const NAME_BYTES_MAX: usize = 255;
/// Longest `out=` and `dir=` path in bytes, well below `PATH_MAX` of Linux (4096).
pub const PATH_BYTES_MAX: usize = 1_024;
/// Most components (directories and the name) that a name template may have.
pub const TEMPLATE_COMPONENTS_MAX: usize = 8;
/// Most hexadecimal digits of the folders of `--dirs hash`: 16^8 of them are more than any list has
/// lines.
pub const HASH_DIGITS_MAX: u8 = 8;
/// Most bytes of a robots.txt that are read: the least that RFC 9309 section 2.5 asks for.
pub const ROBOTS_TXT_BYTES_MAX: usize = 500 * 1024;
/// Longest pattern in a robots.txt that counts, in bytes: longer ones would only cost time.
pub const ROBOTS_PATTERN_BYTES_MAX: usize = 4 * 1024;
/// Redirects followed to a robots.txt (RFC 9309 section 2.3.1.2).
pub const ROBOTS_REDIRECTS_MAX: u32 = 5;
/// Memory for the rules of all origins, in bytes; when it is full, all are forgotten and asked for
/// again.
pub const ROBOTS_CACHE_BYTES_MAX: usize = 32 << 20;
/// Longest time for which a full disk is waited for, in milliseconds.
pub const DISK_WAIT_DEFAULT_MS: u64 = 3_600_000;
/// Longest detail text of a fault in bytes.
pub const DETAIL_BYTES_MAX: usize = 512;
/// Jobs read ahead of the work, all origins together.
pub const LOOKAHEAD_JOBS_DEFAULT: usize = 1_000_000;
/// Most memory that a job read ahead takes unless its line is long, in bytes.
pub const LOOKAHEAD_BYTES_PER_JOB: u64 = 400;
/// Jobs that are read ahead however little memory there is.
pub const LOOKAHEAD_JOBS_MIN: usize = 1_000;
/// Hosts of a list that `--dry-run` counts one by one.
pub const CENSUS_HOSTS_MAX: usize = 65_536;
/// Memory for the names claimed in one run, in bytes: a filter that never forgets a name.
pub const NAMES_CLAIMED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Jobs in flight over all cores.
pub const IN_FLIGHT_DEFAULT: usize = 256;
/// Most threads with one connection each (`--backend blocking`).
pub const BLOCKING_THREADS_MAX: usize = 1_024;
/// Most microseconds that a wait for completions waits for more (`--ring-min-wait`).
pub const RING_MIN_WAIT_MAX_US: i64 = 100_000;
/// Shortest length that `-k` takes, in bytes.
pub const PART_BYTES_MIN_LOWEST: u64 = 16 << 10;
/// Connections that a host begins with, unless `-x` says how many it may have.
pub const PER_HOST_FIRST: usize = 8;
/// Most connections that a host gets because they pay: what the browsers of a few users open.
pub const PER_HOST_MAX: usize = 96;
/// Failures to reach a host, in a row, before it is left alone: more than it begins with
/// connections, so that one bad moment of a host (a restart, a full backlog) is not enough. A host
/// that has got more and fails has as many again, and attempts from before say nothing new.
pub const HOST_FAIL_LIMIT_DEFAULT: u32 = 10;
/// Time for which a host that cannot be reached is left alone before one job tries again, in
/// milliseconds.
pub const HOST_FAIL_WAIT_DEFAULT_MS: u64 = 10_000;
/// Most cores that one schedule serves.
pub const CORES_MAX: usize = 1_024;
/// A host with more jobs queued than this for each of its connections is served by all cores.
pub const BIG_HOST_JOBS_PER_CONNECTION: usize = 2;
/// Hosts without work that are remembered for a rest that is not over, for fewer connections or for
/// not being reached; with more of them, those served longest ago are forgotten.
pub const HOSTS_REMEMBERED_MAX: usize = 65_536;
/// Jobs of one host that a core goes on with on connections that are idle, before hosts that were
/// served longer ago have their turn: the look-ahead has a few jobs of most hosts, and they share a
/// handshake.
pub const QUANTUM_JOBS: u8 = 16;
/// Hosts in the table of the statistics.
pub const HOSTS_IN_STATS_MAX: usize = 4_096;
/// Rows from which on a percentage of failures counts.
pub const ERRORS_PERCENT_ROWS_MIN: u64 = 100;
/// Port of a proxy that is given without one, as with curl.
pub const PROXY_PORT_DEFAULT: u16 = 1_080;
/// Redirects followed for one job.
pub const REDIRECTS_DEFAULT: u32 = 20;
/// Attempts after the first one.
pub const RETRIES_DEFAULT: u32 = 3;
/// First step of the exponential back-off, in milliseconds.
pub const RETRY_DELAY_DEFAULT_MS: u64 = 1_000;
/// Longest step of the exponential back-off, in milliseconds.
pub const RETRY_DELAY_MAX_MS: u64 = 60_000;
/// Longest `Retry-After` that is waited for, in milliseconds.
pub const RETRY_AFTER_MAX_MS: u64 = 300_000;

/// Time for one TCP connect and, again, for one TLS handshake, in milliseconds.
pub const TIMEOUT_CONNECT_DEFAULT_MS: u64 = 10_000;
/// Questions that one name server has to answer at once. The usual one of a small network,
/// dnsmasq, takes 150 from everybody together.
pub const DNS_CONCURRENCY_DEFAULT: usize = 100;
/// Most questions at once that a user can ask for.
pub const DNS_CONCURRENCY_MAX: usize = 10_000;
/// Addresses of each family that are kept of a name, those that its name server gave first. Names
/// of the large services have fewer, and nobody tries more.
pub const ADDRESSES_PER_FAMILY_MAX: usize = 16;
/// Memory for names and their addresses, in bytes; those that were answered first are forgotten
/// first.
pub const NAMES_KNOWN_BYTES_MAX: usize = 64 << 20;
/// Longest time without one received byte, in milliseconds. Also the time for a whole head.
pub const TIMEOUT_READ_DEFAULT_MS: u64 = 30_000;
/// Longest time for one job, waits between attempts included, in milliseconds (24 hours).
pub const TIMEOUT_JOB_DEFAULT_MS: u64 = 24 * 3_600_000;
/// Least bytes a second of a body: many connections that share a thin line stay above it, a server
/// that sends a byte now and then does not.
pub const SPEED_MIN_DEFAULT_BYTES_PER_S: u64 = 100;
/// Time over which the speed of a body is judged, in milliseconds.
pub const SPEED_TIME_DEFAULT_MS: u64 = 30_000;
/// Time that jobs in flight get to finish after the first SIGINT or SIGTERM, in milliseconds.
pub const GRACE_DEFAULT_MS: u64 = 5_000;
/// Time between two lines of progress in a log, in milliseconds.
pub const PROGRESS_LOG_DEFAULT_MS: u64 = 60_000;
/// Time between two lines of progress that were asked for, in milliseconds.
pub const PROGRESS_PLAIN_DEFAULT_MS: u64 = 5_000;
/// Time between two JSON objects of progress, in milliseconds.
pub const PROGRESS_JSON_DEFAULT_MS: u64 = 1_000;
/// Time for which an idle connection is kept, in milliseconds.
pub const IDLE_CONNECTION_MAX_MS: u64 = 30_000;

/// Longest span of time that can be typed, in milliseconds (365 days).
pub const TIMEOUT_MAX_MS: u64 = 365 * 86_400_000;
/// Largest count that can be typed (connections, jobs).
pub const COUNT_MAX: usize = 1_000_000_000;
/// CPUs of the largest machine Linux can be built for (`CONFIG_NR_CPUS`).
pub const CPUS_MAX: usize = 8_192;

/// Most requests that are sent at a time on one connection.
pub const PIPELINE_MAX: i64 = 64;
/// Responses that a connection has brought before requests are sent ahead on it.
pub const PIPELINE_AFTER_DEFAULT: u32 = 16;
/// Bytes of memory for what `--dedupe` has seen.
pub const DEDUPE_MEMORY_BYTES_DEFAULT: u64 = 1 << 30;

/// Receive buffer of a connection that waits for an answer among very many, in bytes: a page.
pub const RECV_BUFFER_FIRST_BYTES: usize = 4 * 1024;
/// Receive buffers that a core has the kernel choose from, where it does: a power of two. Each of
/// them is used in its turn, so more of them are colder; a turn of a ring completes some twenty.
pub const PROVIDED_BUFFERS: u16 = 32;
/// Connections of one core that may wait with a larger buffer.
pub const FIRST_BUFFERS_FROM: usize = 256;
/// First receive buffer of a connection otherwise, in bytes: a head, a body of 60 KiB, and room for
/// the last TLS record.
pub const RECV_BUFFER_BYTES: usize = 80 * 1024;
/// Receive buffer of a body that does not fit the first one, in bytes.
pub const RECV_BUFFER_LARGE_BYTES: usize = 256 * 1024;
/// Longest body that is collected in memory for an archive, in bytes; longer ones wait in a file.
pub const MEMBER_MEMORY_BYTES_MAX: usize = 4 << 20;
/// Bytes of bodies that are collected in memory at once over all cores, those that fit a receive
/// buffer aside.
pub const COLLECTED_BYTES_MAX: usize = 64 << 20;
/// Files of a shard, unless the user says otherwise: as many as img2dataset puts there.
pub const SHARD_FILES_DEFAULT: u64 = 10_000;

/// Length of a body from which on what came of it outlives its run, and several connections may
/// fill it, in bytes.
pub const LONG_BYTES_MIN: u64 = 1 << 20;
/// Least disk space reserved at once for one file, and the shortest body that any is reserved for,
/// in bytes: below it the call costs more than it saves.
pub const ALLOCATE_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// Most disk space reserved at once for one file, in bytes.
pub const ALLOCATE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Connections that one listener of the origin keeps open; more wait in the backlog.
pub const ORIGIN_CONNECTIONS_MAX: u64 = 4_096;
/// Longest request head that the origin reads, in bytes.
pub const ORIGIN_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most field lines in one request to the origin.
pub const ORIGIN_HEAD_FIELDS_MAX: usize = 64;
/// Longest wait of the origin for its peer: to send a request, or to take bytes, in milliseconds.
pub const ORIGIN_IDLE_MAX_MS: u64 = 120_000;
/// Longest `/delay/MS` of the origin, in milliseconds.
pub const ORIGIN_DELAY_MAX_MS: u64 = 600_000;
/// Stack of one connection's thread of the origin, in bytes (a TLS handshake needs the most).
pub const ORIGIN_STACK_BYTES: usize = 256 * 1024;
/// Files whose requests, bytes and changes the origin remembers; unseen ones beyond it are new at
/// each request.
pub const ORIGIN_FILES_MAX: usize = 100_000;
/// Requests with a Range field that the origin remembers of one file.
pub const ORIGIN_RANGES_MAX: usize = 10_000;
/// URLs that the origin counts for `/flaky`; beyond it, unseen ones are answered at once.
pub const ORIGIN_FLAKY_URLS_MAX: usize = 1_000_000;

const _: () = assert!(HEAD_BYTES_MAX <= RECV_BUFFER_LARGE_BYTES);
// The longest framing of a chunked body without a byte of body in it: CRLF, last size line,
// trailers.
const _: () = assert!(2 + CHUNK_LINE_BYTES_MAX + TRAILER_BYTES_MAX < RECV_BUFFER_BYTES);
const _: () = assert!(RECV_BUFFER_LARGE_BYTES as u64 <= ALLOCATE_BYTES_MIN);
const _: () = assert!(ALLOCATE_BYTES_MIN <= ALLOCATE_BYTES_MAX);
const _: () = assert!(NAME_BYTES_MAX < LINE_BYTES_MAX);
const _: () = assert!(HOST_FAIL_LIMIT_DEFAULT as usize > PER_HOST_FIRST);
const _: () = assert!(PER_HOST_FIRST < PER_HOST_MAX && PER_HOST_MAX <= IN_FLIGHT_DEFAULT);
const _: () = assert!(TIMEOUT_JOB_DEFAULT_MS <= TIMEOUT_MAX_MS);
