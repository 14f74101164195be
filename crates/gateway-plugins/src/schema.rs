//! Fields that several plugins have.

use gateway_model::schema::Field;

/// The realm of a challenge.
pub(crate) fn realm() -> Field {
    Field::string("realm").optional().description(
        "When authentication fails the plugin sends `WWW-Authenticate` header with `realm` attribute value.",
    )
}
