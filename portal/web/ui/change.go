package ui

import (
	"regexp"
	"strings"
)

// changeKeys are the messages for the codes of a difference, and how many names each says. What a code says of a response ends
// with the response's status, unless it is about a schema that several share.
var changeKeys = map[string]struct {
	key   string
	names int
}{
	"operation-removed":                             {"change.operation_removed", 0},
	"operation-added":                               {"change.operation_added", 0},
	"other-changed":                                 {"change.other_changed", 0},
	"endpoint-added":                                {"change.endpoint_added", 0},
	"endpoint-deprecated":                           {"change.endpoint_deprecated", 0},
	"endpoint-reactivated":                          {"change.endpoint_reactivated", 0},
	"api-operation-id-removed":                      {"change.api_operation_id_removed", 2},
	"api-operation-id-added":                        {"change.api_operation_id_added", 1},
	"api-tag-removed":                               {"change.api_tag_removed", 1},
	"api-tag-added":                                 {"change.api_tag_added", 1},
	"api-security-added":                            {"change.api_security_added", 1},
	"api-security-removed":                          {"change.api_security_removed", 1},
	"api-security-scope-added":                      {"change.api_security_scope_added", 2},
	"api-security-scope-removed":                    {"change.api_security_scope_removed", 2},
	"request-body-added-required":                   {"change.request_body_added_required", 0},
	"request-body-added-optional":                   {"change.request_body_added_optional", 0},
	"request-body-removed":                          {"change.request_body_removed", 0},
	"request-body-became-required":                  {"change.request_body_became_required", 0},
	"request-body-became-optional":                  {"change.request_body_became_optional", 0},
	"request-body-became-nullable":                  {"change.request_body_became_nullable", 0},
	"request-body-became-not-nullable":              {"change.request_body_became_not_nullable", 0},
	"request-body-media-type-added":                 {"change.request_body_media_type_added", 1},
	"request-body-media-type-removed":               {"change.request_body_media_type_removed", 1},
	"request-body-type-changed":                     {"change.request_body_type_changed", 3},
	"request-body-type-generalized":                 {"change.request_body_type_generalized", 3},
	"new-required-request-parameter":                {"change.new_required_request_parameter", 2},
	"new-optional-request-parameter":                {"change.new_optional_request_parameter", 2},
	"new-request-path-parameter":                    {"change.new_request_path_parameter", 1},
	"request-parameter-removed":                     {"change.request_parameter_removed", 2},
	"request-parameter-removed-with-deprecation":    {"change.request_parameter_removed_with_deprecation", 2},
	"request-parameter-became-required":             {"change.request_parameter_became_required", 2},
	"request-parameter-became-optional":             {"change.request_parameter_became_optional", 2},
	"request-parameter-became-nullable":             {"change.request_parameter_became_nullable", 2},
	"request-parameter-became-not-nullable":         {"change.request_parameter_became_not_nullable", 2},
	"request-parameter-became-enum":                 {"change.request_parameter_became_enum", 2},
	"request-parameter-became-not-enum":             {"change.request_parameter_became_not_enum", 2},
	"request-parameter-enum-value-removed":          {"change.request_parameter_enum_value_removed", 3},
	"request-parameter-enum-value-added":            {"change.request_parameter_enum_value_added", 3},
	"request-parameter-type-changed":                {"change.request_parameter_type_changed", 5},
	"request-parameter-type-generalized":            {"change.request_parameter_type_generalized", 5},
	"request-parameter-default-value-added":         {"change.request_parameter_default_value_added", 3},
	"request-parameter-default-value-changed":       {"change.request_parameter_default_value_changed", 4},
	"request-parameter-default-value-removed":       {"change.request_parameter_default_value_removed", 3},
	"request-parameter-pattern-added":               {"change.request_parameter_pattern_added", 3},
	"request-parameter-pattern-removed":             {"change.request_parameter_pattern_removed", 3},
	"request-parameter-pattern-changed":             {"change.request_parameter_pattern_changed", 4},
	"new-required-request-property":                 {"change.new_required_request_property", 1},
	"new-required-request-property-with-default":    {"change.new_required_request_property_with_default", 1},
	"new-optional-request-property":                 {"change.new_optional_request_property", 1},
	"request-property-removed":                      {"change.request_property_removed", 1},
	"request-property-became-required":              {"change.request_property_became_required", 1},
	"request-property-became-optional":              {"change.request_property_became_optional", 1},
	"request-property-became-nullable":              {"change.request_property_became_nullable", 1},
	"request-property-became-not-nullable":          {"change.request_property_became_not_nullable", 1},
	"request-property-became-enum":                  {"change.request_property_became_enum", 1},
	"request-property-became-not-enum":              {"change.request_property_became_not_enum", 1},
	"request-property-enum-value-removed":           {"change.request_property_enum_value_removed", 2},
	"request-property-enum-value-added":             {"change.request_property_enum_value_added", 2},
	"request-property-type-changed":                 {"change.request_property_type_changed", 4},
	"request-property-type-generalized":             {"change.request_property_type_generalized", 4},
	"request-property-default-value-added":          {"change.request_property_default_value_added", 2},
	"request-property-default-value-changed":        {"change.request_property_default_value_changed", 3},
	"request-property-default-value-removed":        {"change.request_property_default_value_removed", 2},
	"request-property-pattern-added":                {"change.request_property_pattern_added", 2},
	"request-property-pattern-removed":              {"change.request_property_pattern_removed", 2},
	"request-property-pattern-changed":              {"change.request_property_pattern_changed", 3},
	"response-success-status-added":                 {"change.response_success_status_added", 1},
	"response-success-status-removed":               {"change.response_success_status_removed", 1},
	"response-non-success-status-added":             {"change.response_non_success_status_added", 1},
	"response-non-success-status-removed":           {"change.response_non_success_status_removed", 1},
	"response-media-type-added":                     {"change.response_media_type_added", 1},
	"response-media-type-removed":                   {"change.response_media_type_removed", 1},
	"response-optional-property-added":              {"change.response_optional_property_added", 1},
	"response-optional-property-removed":            {"change.response_optional_property_removed", 1},
	"response-required-property-added":              {"change.response_required_property_added", 1},
	"response-required-property-removed":            {"change.response_required_property_removed", 1},
	"response-property-became-required":             {"change.response_property_became_required", 1},
	"response-property-became-optional":             {"change.response_property_became_optional", 1},
	"response-property-became-nullable":             {"change.response_property_became_nullable", 1},
	"response-property-became-not-nullable":         {"change.response_property_became_not_nullable", 1},
	"response-property-enum-value-added":            {"change.response_property_enum_value_added", 2},
	"response-property-enum-value-removed":          {"change.response_property_enum_value_removed", 2},
	"response-property-became-enum":                 {"change.response_property_became_enum", 1},
	"response-property-became-not-enum":             {"change.response_property_became_not_enum", 1},
	"response-property-type-changed":                {"change.response_property_type_changed", 4},
	"response-header-added":                         {"change.response_header_added", 1},
	"response-header-became-optional":               {"change.response_header_became_optional", 1},
	"request-parameter-max-decreased":               {"change.request_parameter_max_decreased", 4},
	"request-parameter-max-increased":               {"change.request_parameter_max_increased", 4},
	"request-parameter-min-decreased":               {"change.request_parameter_min_decreased", 4},
	"request-parameter-min-increased":               {"change.request_parameter_min_increased", 4},
	"request-parameter-max-length-decreased":        {"change.request_parameter_max_length_decreased", 4},
	"request-parameter-max-length-increased":        {"change.request_parameter_max_length_increased", 4},
	"request-parameter-min-length-decreased":        {"change.request_parameter_min_length_decreased", 4},
	"request-parameter-min-length-increased":        {"change.request_parameter_min_length_increased", 4},
	"request-parameter-max-items-decreased":         {"change.request_parameter_max_items_decreased", 4},
	"request-parameter-max-items-increased":         {"change.request_parameter_max_items_increased", 4},
	"request-parameter-min-items-decreased":         {"change.request_parameter_min_items_decreased", 4},
	"request-parameter-min-items-increased":         {"change.request_parameter_min_items_increased", 4},
	"request-body-all-of-added":                     {"change.request_body_list_added", 2},
	"request-property-all-of-added":                 {"change.request_property_list_added", 3},
	"response-body-all-of-added":                    {"change.response_body_list_added", 2},
	"response-property-all-of-added":                {"change.response_property_list_added", 3},
	"request-body-all-of-removed":                   {"change.request_body_list_removed", 2},
	"request-property-all-of-removed":               {"change.request_property_list_removed", 3},
	"response-body-all-of-removed":                  {"change.response_body_list_removed", 2},
	"response-property-all-of-removed":              {"change.response_property_list_removed", 3},
	"request-body-one-of-added":                     {"change.request_body_list_added", 2},
	"request-property-one-of-added":                 {"change.request_property_list_added", 3},
	"response-body-one-of-added":                    {"change.response_body_list_added", 2},
	"response-property-one-of-added":                {"change.response_property_list_added", 3},
	"request-body-one-of-removed":                   {"change.request_body_list_removed", 2},
	"request-property-one-of-removed":               {"change.request_property_list_removed", 3},
	"response-body-one-of-removed":                  {"change.response_body_list_removed", 2},
	"response-property-one-of-removed":              {"change.response_property_list_removed", 3},
	"request-body-any-of-added":                     {"change.request_body_list_added", 2},
	"request-property-any-of-added":                 {"change.request_property_list_added", 3},
	"response-body-any-of-added":                    {"change.response_body_list_added", 2},
	"response-property-any-of-added":                {"change.response_property_list_added", 3},
	"request-body-any-of-removed":                   {"change.request_body_list_removed", 2},
	"request-property-any-of-removed":               {"change.request_property_list_removed", 3},
	"response-body-any-of-removed":                  {"change.response_body_list_removed", 2},
	"response-property-any-of-removed":              {"change.response_property_list_removed", 3},
	"request-property-deprecated":                   {"change.request_property_deprecated", 1},
	"response-property-deprecated":                  {"change.response_property_deprecated", 1},
	"request-property-deprecated-with-sunset":       {"change.request_property_sunset", 2},
	"endpoint-deprecated-with-sunset":               {"change.endpoint_sunset", 1},
	"request-parameter-deprecated":                  {"change.request_parameter_deprecated", 2},
	"request-parameter-reactivated":                 {"change.request_parameter_reactivated", 2},
	"request-body-became-enum":                      {"change.request_body_became_enum", 0},
	"request-body-became-not-enum":                  {"change.request_body_became_not_enum", 0},
	"request-property-removed-with-deprecation":     {"change.request_property_removed_with_deprecation", 1},
	"request-property-became-required-with-default": {"change.request_property_became_required_with_default", 1},
	"required-response-header-removed":              {"change.required_response_header_removed", 2},
	"optional-response-header-removed":              {"change.optional_response_header_removed", 2},
	"response-header-became-nullable":               {"change.response_header_became_nullable", 1},
	"response-header-became-not-nullable":           {"change.response_header_became_not_nullable", 1},
	"response-body-became-nullable":                 {"change.response_body_became_nullable", 0},
	"response-body-became-not-nullable":             {"change.response_body_became_not_nullable", 0},
	"response-body-type-changed":                    {"change.response_body_type_changed", 3},
	"response-body-type-generalized":                {"change.response_body_type_changed", 3},
	"response-body-type-specialized":                {"change.response_body_type_changed", 3},
	"response-property-type-generalized":            {"change.response_property_type_changed", 4},
	"response-property-type-specialized":            {"change.response_property_type_changed", 4},
	"request-property-max-decreased":                {"change.request_property_max_decreased", 2},
	"request-property-max-length-decreased":         {"change.request_property_max_length_decreased", 2},
	"request-property-max-items-decreased":          {"change.request_property_max_items_decreased", 2},
	"request-property-min-increased":                {"change.request_property_min_increased", 2},
	"request-property-min-items-increased":          {"change.request_property_min_items_increased", 2},
	"request-property-max-increased":                {"change.request_property_max_increased", 3},
	"request-property-max-length-increased":         {"change.request_property_max_length_increased", 3},
	"request-property-max-items-increased":          {"change.request_property_max_items_increased", 3},
	"request-property-min-decreased":                {"change.request_property_min_decreased", 3},
	"request-property-min-length-decreased":         {"change.request_property_min_length_decreased", 3},
	"request-property-min-length-increased":         {"change.request_property_min_length_increased", 3},
	"request-property-min-items-decreased":          {"change.request_property_min_items_decreased", 3},
	"response-property-max-increased":               {"change.response_property_max_increased", 3},
	"response-property-max-decreased":               {"change.response_property_max_decreased", 3},
	"response-property-min-increased":               {"change.response_property_min_increased", 3},
	"response-property-min-decreased":               {"change.response_property_min_decreased", 3},
	"response-property-max-length-increased":        {"change.response_property_max_length_increased", 3},
	"response-property-max-length-decreased":        {"change.response_property_max_length_decreased", 3},
	"response-property-min-length-increased":        {"change.response_property_min_length_increased", 3},
	"response-property-min-length-decreased":        {"change.response_property_min_length_decreased", 3},
	"response-property-max-items-increased":         {"change.response_property_max_items_increased", 3},
	"response-property-max-items-decreased":         {"change.response_property_max_items_decreased", 3},
	"response-property-min-items-increased":         {"change.response_property_min_items_increased", 3},
	"response-property-min-items-decreased":         {"change.response_property_min_items_decreased", 3},
	"api-path-removed-without-deprecation":          {"change.operation_removed", 0},
	"api-removed-without-deprecation":               {"change.operation_removed", 0},
	"api-path-removed-with-deprecation":             {"change.operation_removed", 0},
	"api-removed-with-deprecation":                  {"change.operation_removed", 0},
}

var textsDiffer = regexp.MustCompile("^texts differ: (`[^`]*`(?:, `[^`]*`)*)(?: and ([0-9]+) more)?$")

// Change says one difference in the reader's language, with names between backticks; text is what it says in English, which
// stands for a code that these pages do not know.
func (t Text) Change(code, text string) Said {
	if found := textsDiffer.FindStringSubmatch(text); found != nil && found[2] != "" {
		return Said{Text: t.T("change.texts_more", "A", found[1], "B", found[2])}
	} else if found != nil {
		return Said{Text: t.T("change.texts", "A", found[1])}
	}
	m, ok := changeKeys[code]
	var names []string
	for _, part := range quotes(text) {
		if part.code {
			names = append(names, "`"+part.text+"`")
		}
	}
	status := ""
	if len(names) == m.names+1 && strings.HasPrefix(code, "response-") {
		status, names = names[m.names], names[:m.names]
	}
	if !ok || len(names) != m.names {
		return Said{Text: text, English: true}
	}
	var pairs []any
	for i, name := range names {
		pairs = append(pairs, string(rune('A'+i)), name)
	}
	said := t.T(m.key, pairs...)
	if status != "" {
		said = t.T("change.status", "Text", said, "Status", status)
	}
	return Said{Text: said}
}
