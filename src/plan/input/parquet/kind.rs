//! What the values of a column are.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::schema::types::ColumnDescriptor;

/// What the values of a column are, and so how they are written as text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Text, or bytes that may be some.
    Text,
    /// Bytes of a fixed number.
    Hex,
    /// 16 bytes of a UUID.
    Uuid,
    /// True or false.
    Truth,
    /// A whole number.
    Signed,
    /// A whole number of 32 bits without a sign.
    Unsigned32,
    /// A whole number of 64 bits without a sign.
    Unsigned64,
    /// A floating-point number of 32 bits.
    Single,
    /// A floating-point number of 64 bits.
    Double,
    /// A floating-point number of 16 bits.
    Half,
    /// A whole number with the point before so many of its digits.
    Decimal(u32),
    /// Days since 1970.
    Date,
    /// A time of day in so many parts of a second.
    Time(Unit),
    /// A point in time since 1970, in UTC or else in some local time.
    Timestamp(Unit, bool),
    /// Nanoseconds of a Julian day, as old writers have points in time.
    Int96,
}

/// Parts of a second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// 1/1000 s
    Millis,
    /// 1/1,000,000 s
    Micros,
    /// 1/1,000,000,000 s
    Nanos,
}

impl Unit {
    /// Parts of a second, and how many digits they are.
    pub(super) fn parts(self) -> (i64, usize) {
        match self {
            Self::Millis => (1_000, 3),
            Self::Micros => (1_000_000, 6),
            Self::Nanos => (1_000_000_000, 9),
        }
    }

    fn of(unit: &TimeUnit) -> Self {
        match unit {
            TimeUnit::MILLIS => Self::Millis,
            TimeUnit::MICROS => Self::Micros,
            TimeUnit::NANOS => Self::Nanos,
        }
    }
}

/// One value as the file has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'v> {
    /// BOOLEAN
    Truth(bool),
    /// INT32 or INT64
    Whole(i64),
    /// FLOAT
    Single(f32),
    /// DOUBLE
    Double(f64),
    /// INT96
    Int96([u32; 3]),
    /// BYTE_ARRAY or FIXED_LEN_BYTE_ARRAY
    Bytes(&'v [u8]),
}

impl Kind {
    /// The kind of a column; `None` where its values have no text.
    pub fn of(column: &ColumnDescriptor) -> Option<Self> {
        let physical = column.physical_type();
        if let Some(logical) = column.logical_type_ref() {
            let kind = match logical {
                LogicalType::Decimal(decimal) => {
                    Some(Self::Decimal(u32::try_from(decimal.scale).ok()?))
                }
                LogicalType::Date => Some(Self::Date),
                LogicalType::Time(time) => Some(Self::Time(Unit::of(&time.unit))),
                LogicalType::Timestamp(time) => {
                    Some(Self::Timestamp(Unit::of(&time.unit), time.is_adjusted_to_u_t_c))
                }
                LogicalType::Integer(int) if !int.is_signed => Some(match physical {
                    Type::INT64 => Self::Unsigned64,
                    _ => Self::Unsigned32,
                }),
                LogicalType::Uuid => Some(Self::Uuid),
                LogicalType::Float16 => Some(Self::Half),
                _ => None,
            };
            return kind.filter(|kind| kind.suits(physical)).or_else(|| Self::plain(physical));
        }
        let kind = match column.converted_type() {
            ConvertedType::DECIMAL => Some(Self::Decimal(u32::try_from(column.type_scale()).ok()?)),
            ConvertedType::DATE => Some(Self::Date),
            ConvertedType::TIME_MILLIS => Some(Self::Time(Unit::Millis)),
            ConvertedType::TIME_MICROS => Some(Self::Time(Unit::Micros)),
            ConvertedType::TIMESTAMP_MILLIS => Some(Self::Timestamp(Unit::Millis, true)),
            ConvertedType::TIMESTAMP_MICROS => Some(Self::Timestamp(Unit::Micros, true)),
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 => {
                Some(Self::Unsigned32)
            }
            ConvertedType::UINT_64 => Some(Self::Unsigned64),
            _ => None,
        };
        kind.filter(|kind| kind.suits(physical)).or_else(|| Self::plain(physical))
    }

    fn plain(physical: Type) -> Option<Self> {
        Some(match physical {
            Type::BOOLEAN => Self::Truth,
            Type::INT32 | Type::INT64 => Self::Signed,
            Type::INT96 => Self::Int96,
            Type::FLOAT => Self::Single,
            Type::DOUBLE => Self::Double,
            Type::BYTE_ARRAY => Self::Text,
            Type::FIXED_LEN_BYTE_ARRAY => Self::Hex,
        })
    }

    /// Whether a file may have values of this kind so.
    fn suits(self, physical: Type) -> bool {
        let is_whole = matches!(physical, Type::INT32 | Type::INT64);
        match self {
            Self::Decimal(_) => {
                is_whole || matches!(physical, Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY)
            }
            Self::Uuid | Self::Half => physical == Type::FIXED_LEN_BYTE_ARRAY,
            Self::Unsigned32 | Self::Date => physical == Type::INT32,
            Self::Unsigned64 | Self::Timestamp(..) => physical == Type::INT64,
            Self::Time(_) => is_whole,
            _ => true,
        }
    }
}
