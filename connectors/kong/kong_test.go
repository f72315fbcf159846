package kong

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/connectors/adminapi"
	"concierge/connectors/connectortest"
	"concierge/connectors/kong/kongtest"
	"concierge/portal"
)

// TestConformance runs the contract's rules against the fake.
func TestConformance(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Target {
		g := kongtest.New(kongtest.Options{
			AdminHeader: "Kong-Admin-Token", AdminKey: "admin-key-with-all-rights", ReadOnlyKey: "admin-key-that-may-read",
			Propagation: 10 * time.Millisecond, UpdateFrequency: 20 * time.Millisecond,
		})
		t.Cleanup(g.Close)
		target := target(g.AdminURL, g.ProxyURL, "admin-key-with-all-rights")
		reader := target.Config
		reader.Secrets = map[string]portal.Secret{adminapi.HeaderValue: portal.NewSecret("admin-key-that-may-read")}
		target.ReadOnly = &reader
		target.APIs = []connectortest.API{publish(t, target, "orders"), publish(t, target, "billing")}
		return target
	})
}

// target describes a running Kong, real or not, to the suite.
func target(adminURL, proxyURL, adminKey string) connectortest.Target {
	config := connectors.Config{
		ID: "kong", Address: adminURL, Settings: map[string]string{settingPublicURL: proxyURL}, Secrets: map[string]portal.Secret{},
		Client: http.DefaultClient,
	}
	if adminKey != "" {
		config.Settings[adminapi.Header] = "Kong-Admin-Token"
		config.Secrets[adminapi.HeaderValue] = portal.NewSecret(adminKey)
	}
	tg := connectortest.Target{Open: Kind.Open, Config: config, Waivers: map[string]string{
		"PendingIsPolledToDone": "Kong has a credential at once: nothing is ever pending",
	}}
	tg.Unconfined = func(t connectortest.T) (connectortest.API, string) {
		// Any key of the gateway opens it, so keys of the others are no longer confined, nor are its own.
		publishOpen(t, tg, "lax-1")
		return publishOpen(t, tg, "lax-2"), "config.allow"
	}
	tg.Many = func(t connectortest.T) []connectors.Key {
		keys := make([]connectors.Key, pageSize+1)
		for i := range keys {
			keys[i] = publishService(t, tg, fmt.Sprintf("many-%04d", i))
		}
		return keys
	}
	tg.Foreign = func(t connectortest.T, api connectortest.API, mark connectors.Mark) connectortest.Foreign {
		owner, id, key := derive("foreign", string(mark.Credential)), credentialID(mark.Credential), "foreign-"+derive("key", string(mark.Credential))
		name := serviceName(t, tg, api.Key.RemoteID)
		administer(t, tg, "PUT", "/consumers/"+owner, map[string]any{"username": "by-hand-" + owner})
		t.Cleanup(func() { administer(t, tg, "DELETE", "/consumers/"+owner, nil) })
		administer(t, tg, "POST", "/consumers/"+owner+"/acls", map[string]any{"group": "api-" + name})
		administer(t, tg, "PUT", "/consumers/"+owner+"/key-auth/"+id, map[string]any{
			"key": key, "tags": []string{managed, "not-" + tagCredential + string(mark.Credential)}})
		return connectortest.Foreign{
			Parts:  []connectors.Part{{In: "header", Name: "apikey", Value: portal.NewSecret(key)}},
			Handle: connectors.Handle{Open: map[string]string{handleConsumer: owner, handleCredential: id}},
		}
	}
	return tg
}

// administer sends one request to the Admin API that the connector is not asked to make, and returns the body.
func administer(t connectortest.T, tg connectortest.Target, method, path string, body any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatalf("%v", err)
	}
	req, err := http.NewRequest(method, tg.Config.Address+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Body = http.NoBody
		req.ContentLength = 0
	}
	if key := tg.Config.Secrets[adminapi.HeaderValue]; !key.IsZero() {
		req.Header.Set("Kong-Admin-Token", key.Reveal())
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode > 299 {
		t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, answer, err)
	}
	var decoded map[string]any
	_ = json.Unmarshal(answer, &decoded)
	return decoded
}

// publishService publishes an API without protection at /suite-<name>, until the test ends.
func publishService(t connectortest.T, tg connectortest.Target, name string) connectors.Key {
	t.Helper()
	service, route := derive("test service", name), derive("test route", name)
	administer(t, tg, "PUT", "/services/"+service, map[string]any{"name": "suite-" + name, "url": upstream})
	administer(t, tg, "PUT", "/routes/"+route, map[string]any{"name": "suite-" + name, "paths": []string{"/suite-" + name}, "service": map[string]any{"id": service}})
	t.Cleanup(func() {
		administer(t, tg, "DELETE", "/routes/"+route, nil)
		administer(t, tg, "DELETE", "/services/"+service, nil)
	})
	return connectors.Key{RemoteID: service, Exposure: "/suite-" + name}
}

// publishOpen publishes an API that every key of the gateway opens.
func publishOpen(t connectortest.T, tg connectortest.Target, name string) connectortest.API {
	t.Helper()
	key := publishService(t, tg, name)
	administer(t, tg, "PUT", "/plugins/"+derive("test key-auth", name), map[string]any{"name": "key-auth", "service": map[string]any{"id": key.RemoteID}})
	api := connectortest.API{Key: key, URL: tg.Config.Settings[settingPublicURL] + key.Exposure}
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		resp, err := http.Get(api.URL)
		if err != nil {
			t.Fatalf("%v", err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusUnauthorized {
			return api
		}
		if time.Now().After(end) {
			t.Fatalf("%s answers %d a minute after it was published", api.URL, resp.StatusCode)
		}
	}
}

// publish publishes an API whose keys are confined by a group of its own.
func publish(t connectortest.T, tg connectortest.Target, name string) connectortest.API {
	t.Helper()
	administer(t, tg, "PUT", "/services/"+derive("test service", name), map[string]any{"name": "suite-" + name, "url": upstream})
	administer(t, tg, "PUT", "/plugins/"+derive("test acl", name), map[string]any{"name": "acl", "service": map[string]any{"id": derive("test service", name)},
		"config": map[string]any{"allow": []string{"api-suite-" + name}}})
	return publishOpen(t, tg, name) // last, so that whoever sees the key asked for is also confined
}

// serviceName returns the name of a service.
func serviceName(t connectortest.T, tg connectortest.Target, id string) string {
	t.Helper()
	name, _ := administer(t, tg, "GET", "/services/"+id, nil)["name"].(string)
	return name
}

// upstream answers for every service of the tests. The fake calls its own.
var upstream = "http://127.0.0.1:9"
