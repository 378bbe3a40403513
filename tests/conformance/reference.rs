//! A second reader of responses, written to be obvious: it has the whole buffer, splits it into
//! lines, copies everything, and shares no code with `src/http/`. It knows no limits but those of
//! numbers.

/// What it makes of a whole connection.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Status of the final response, once its head is whole and right.
    pub(crate) status: Option<u16>,
    /// Body bytes up to the end, the damage, or the end of the connection.
    pub(crate) body: Vec<u8>,
    /// How it ended.
    pub(crate) end: VerdictEnd,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum VerdictEnd {
    Complete { is_reusable: bool },
    Incomplete,
    Invalid,
}

/// Why reading stopped.
enum Stop {
    Incomplete,
    Invalid,
}

pub(crate) fn judge(bytes: &[u8]) -> Verdict {
    let mut verdict = Verdict { status: None, body: Vec::new(), end: VerdictEnd::Incomplete };
    verdict.end = match read(bytes, &mut verdict) {
        Ok(is_reusable) => VerdictEnd::Complete { is_reusable },
        Err(Stop::Incomplete) => VerdictEnd::Incomplete,
        Err(Stop::Invalid) => VerdictEnd::Invalid,
    };
    verdict
}

fn read(bytes: &[u8], verdict: &mut Verdict) -> Result<bool, Stop> {
    let mut reader = Reader { bytes, at: 0 };
    let mut interims = 0;
    let (minor, status, fields) = loop {
        let (minor, status, fields) = read_head(&mut reader)?;
        match status {
            101 => return Err(Stop::Invalid),
            100..=199 => interims += 1,
            _ => break (minor, status, fields),
        }
        if interims > 16 {
            return Err(Stop::Invalid);
        }
    };
    let values = |wanted: &str| -> Vec<String> {
        fields.iter().filter(|field| field.0 == wanted).map(|field| field.1.clone()).collect()
    };
    let codings = values("transfer-encoding");
    let lengths: Vec<String> = values("content-length")
        .iter()
        .flat_map(|value| value.split(',').map(|part| trim(part).to_owned()).collect::<Vec<_>>())
        .collect();
    let options: Vec<String> = values("connection")
        .iter()
        .flat_map(|value| {
            value.split(',').map(|part| trim(part).to_lowercase()).collect::<Vec<_>>()
        })
        .collect();
    let has_option = |wanted: &str| options.iter().any(|option| option == wanted);
    let mut is_reusable = !has_option("close") && (minor == 1 || has_option("keep-alive"));

    if status == 204 || status == 304 {
        let announces =
            !codings.is_empty() || lengths.iter().any(|length| number(length) != Some(0));
        let is_doubtful =
            (status == 204 && announces) || (!codings.is_empty() && !lengths.is_empty());
        verdict.status = Some(status);
        is_reusable &= !is_doubtful;
    } else if !codings.is_empty() {
        if minor == 0 || codings.len() > 1 || codings[0].to_lowercase() != "chunked" {
            return Err(Stop::Invalid);
        }
        verdict.status = Some(status);
        is_reusable &= lengths.is_empty();
        read_chunks(&mut reader, &mut verdict.body)?;
    } else if let Some(first) = lengths.first() {
        let length = number(first).ok_or(Stop::Invalid)?;
        if lengths.iter().any(|other| number(other) != Some(length)) {
            return Err(Stop::Invalid);
        }
        verdict.status = Some(status);
        for _ in 0..length {
            verdict.body.push(reader.byte()?);
        }
    } else {
        verdict.status = Some(status);
        verdict.body.extend_from_slice(&bytes[reader.at..]);
        return Ok(false);
    }
    Ok(is_reusable && reader.at == bytes.len())
}

type Fields = Vec<(String, String)>;

/// Minor version, status and fields; values as text, one `char` a byte.
fn read_head(reader: &mut Reader<'_>) -> Result<(u8, u16, Fields), Stop> {
    // Not HTTP is known before the head is whole.
    for (index, wanted) in "HTTP/1.".bytes().enumerate() {
        match reader.bytes.get(reader.at + index) {
            None => return Err(Stop::Incomplete),
            Some(byte) if *byte == wanted => {}
            Some(_) => return Err(Stop::Invalid),
        }
    }
    match reader.bytes.get(reader.at + 7) {
        None => return Err(Stop::Incomplete),
        Some(b'0' | b'1') => {}
        Some(_) => return Err(Stop::Invalid),
    }
    let mut lines = Vec::new();
    loop {
        let line = reader.line()?;
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let is_text = |c: char| c == '\t' || (c >= ' ' && c != '\x7f');
    if !lines.iter().all(|line| line.chars().all(is_text)) {
        return Err(Stop::Invalid);
    }
    let start: Vec<char> = lines.remove(0).chars().collect();
    let minor = if start[7] == '0' { 0 } else { 1 };
    let is_well_formed = start.len() >= 12
        && start[8] == ' '
        && start[9..12].iter().all(char::is_ascii_digit)
        && start.get(12).is_none_or(|c| *c == ' ');
    if !is_well_formed {
        return Err(Stop::Invalid);
    }
    let status: u16 = start[9..12].iter().collect::<String>().parse().map_err(|_| Stop::Invalid)?;
    if !(100..600).contains(&status) {
        return Err(Stop::Invalid);
    }
    let mut unfolded: Vec<String> = Vec::new();
    for line in lines {
        if line.starts_with([' ', '\t']) {
            unfolded.last_mut().ok_or(Stop::Invalid)?.push_str(&line);
        } else {
            unfolded.push(line);
        }
    }
    let mut fields = Vec::new();
    for line in unfolded {
        let (name, value) = line.split_once(':').ok_or(Stop::Invalid)?;
        if name.is_empty() || !name.chars().all(is_token) {
            return Err(Stop::Invalid);
        }
        fields.push((name.to_lowercase(), trim(value).to_owned()));
    }
    Ok((minor, status, fields))
}

fn read_chunks(reader: &mut Reader<'_>, body: &mut Vec<u8>) -> Result<(), Stop> {
    let mut total: u128 = 0;
    loop {
        let mut size: u128 = 0;
        let mut digits = 0;
        while let Some(digit) = char::from(reader.peek()?).to_digit(16) {
            size = size * 16 + u128::from(digit);
            digits += 1;
            reader.at += 1;
            if size >= 1 << 63 {
                return Err(Stop::Invalid);
            }
        }
        if digits == 0 {
            return Err(Stop::Invalid);
        }
        while matches!(reader.peek()?, b' ' | b'\t') {
            reader.at += 1;
        }
        if reader.peek()? == b';' {
            while reader.peek()? == b'\t' || (reader.peek()? >= b' ' && reader.peek()? != 0x7f) {
                reader.at += 1;
            }
        }
        reader.crlf()?;
        if size == 0 {
            return read_trailers(reader);
        }
        total += size;
        if total >= 1 << 63 {
            return Err(Stop::Invalid);
        }
        for _ in 0..size {
            body.push(reader.byte()?);
        }
        reader.crlf()?;
    }
}

fn read_trailers(reader: &mut Reader<'_>) -> Result<(), Stop> {
    let mut is_first = true;
    while reader.peek()? != b'\r' {
        let is_folded = matches!(reader.peek()?, b' ' | b'\t') && !is_first;
        if !is_folded {
            let start = reader.at;
            while is_token(char::from(reader.peek()?)) {
                reader.at += 1;
            }
            if reader.at == start || reader.byte()? != b':' {
                return Err(Stop::Invalid);
            }
        }
        while reader.peek()? == b'\t' || (reader.peek()? >= b' ' && reader.peek()? != 0x7f) {
            reader.at += 1;
        }
        reader.crlf()?;
        is_first = false;
    }
    reader.crlf()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Result<u8, Stop> {
        self.bytes.get(self.at).copied().ok_or(Stop::Incomplete)
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    fn crlf(&mut self) -> Result<(), Stop> {
        if self.byte()? == b'\r' && self.byte()? == b'\n' { Ok(()) } else { Err(Stop::Invalid) }
    }

    /// The next line without its LF and one CR before it.
    fn line(&mut self) -> Result<String, Stop> {
        let mut line = String::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                byte => line.push(char::from(byte)),
            }
        }
        if line.ends_with('\r') {
            line.pop();
        }
        Ok(line)
    }
}

/// `1*DIGIT` below 2^63.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let significant = text.trim_start_matches('0');
    match significant.len() {
        0 => Some(0),
        1..=19 => significant.parse().ok().filter(|number| *number < 1 << 63),
        _ => None,
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn is_token(c: char) -> bool {
    c.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(c)
}
