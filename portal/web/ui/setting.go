package ui

import (
	"regexp"
	"strconv"
	"strings"
)

// settingKeys are the title and the help of what gateways are set up with, by kind and name, or by a name that several kinds
// share.
var settingKeys = map[string]struct{ title, help string }{
	"kong.public_url":           {"setting.public_url.title", "setting.kong.public_url.help"},
	"caddy.public_url":          {"setting.public_url.title", "setting.caddy.public_url.help"},
	"expressgateway.public_url": {"setting.public_url.title", "setting.expressgateway.public_url.help"},
	"sample.token":              {"setting.sample.token.title", "setting.sample.token.help"},
	"admin_user":                {"setting.admin_user.title", "setting.admin_user.help"},
	"admin_password":            {"setting.admin_password.title", "setting.admin_password.help"},
	"admin_header":              {"setting.admin_header.title", "setting.admin_header.help"},
	"admin_header_value":        {"setting.admin_header_value.title", "setting.admin_header_value.help"},
	"allow_plain_http":          {"setting.allow_plain_http.title", "setting.allow_plain_http.help"},
}

// Setting says what a setting of a kind of gateway is for. One that these pages do not know is said as the kind does, in English.
func (t Text) Setting(kind string, s GatewaySetting) GatewaySetting {
	keys, ok := settingKeys[kind+"."+s.Name]
	if !ok {
		keys, ok = settingKeys[s.Name]
	}
	if ok {
		s.Title, s.Help = t.T(keys.title), t.T(keys.help)
	}
	return s
}

var requestLimit = regexp.MustCompile(`^([\d,]+) requests per (second|minute|hour|day|month|year)$`)

var limitKeys = map[string]string{
	"second": "limit.second", "minute": "limit.minute", "hour": "limit.hour", "day": "limit.day", "month": "limit.month", "year": "limit.year",
}

// Limit says a limit of a plan. Connectors write it in English; words of another form are said as they are.
func (t Text) Limit(words string) string {
	found := requestLimit.FindStringSubmatch(words)
	if found == nil {
		return words
	}
	n, err := strconv.Atoi(strings.ReplaceAll(found[1], ",", ""))
	if err != nil {
		return words
	}
	return t.T(limitKeys[found[2]], "Count", t.Number(n))
}
