//! `settings!`: a struct, its defaults and its registry from one list.

/// A field's name without the `r#` of those that are words of the language.
pub(crate) const fn plain(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// Declares a struct of settings. Each field: documentation, `name: Type = default, "VALUE";`.
macro_rules! settings {
    ($(#[$struct_doc:meta])* $vis:vis struct $name:ident {
        $( $(#[doc = $doc:literal])+ $field:ident : $type:ty = $default:expr, $value:literal; )+
    }) => {
        $(#[$struct_doc])*
        #[derive(Clone, PartialEq, Debug)]
        $vis struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )+ }
            }
        }

        impl $name {
            /// Every setting, in the order of the reference.
            pub const SETTINGS: &'static [$crate::settings::Setting<$name>] = &[
                $( $crate::settings::Setting {
                    name: $crate::settings::macros::plain(stringify!($field)),
                    value_name: $value,
                    help: &[$($doc),+],
                    is_switch: <$type as $crate::settings::value::SettingValue>::IS_SWITCH,
                    set: |settings, text| {
                        settings.$field =
                            <$type as $crate::settings::value::SettingValue>::parse(text)?;
                        Ok(())
                    },
                    show: |settings| {
                        $crate::settings::value::SettingValue::show(&settings.$field)
                    },
                }, )+
            ];
        }
    };
}

pub(crate) use settings;
