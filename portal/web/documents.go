package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

func (s *site) gatewayDocuments(v *visit) error {
	g, err := v.desk.Gateway(v.ctx(), v.r.PathValue("gateway"))
	if err != nil {
		return err
	}
	found, err := v.desk.GatewayDocuments(v.ctx(), g.ID, v.paging(listLimit))
	if err != nil {
		return err
	}
	l := ui.GatewayDocuments{Items: each(found.Items, v.documentView)}
	l.First, l.Next = v.pages(found.Next)
	p := v.in(ui.GatewaysPath, v.text.T("documents.title"), v.crumb("nav.gateways", ui.GatewaysPath), ui.Link{Text: titled(g.Title, g.ID), Href: ui.Below(ui.GatewaysPath, g.ID)})
	return v.render(ui.GatewayDocumentsPage(p, l))
}

func (v *visit) documentView(d api.DeploymentDocument) ui.DeploymentDocument {
	said := v.warned(d.Unread)
	unread, ours := said.Text, !said.English
	if d.Owned && d.Unread != "" && !ours { // owners are told no more than this
		unread, ours = v.text.T("document.unfetched"), true
	}
	return ui.DeploymentDocument{
		ID: d.Deployment, Title: titled(d.Title, d.Deployment), RemoteID: d.RemoteID, Exposure: d.Exposure, Gateway: d.Gateway, Source: d.Source,
		Unread: unread, UnreadInEnglish: !ours,
		Uploaded: d.Uploaded, UploadedBy: d.UploadedBy, ByOwners: d.ByOwners, Owned: d.Owned, CanChange: d.CanUpload,
		Environment: d.Environment, Audience: d.Audience, Version: d.Version,
	}
}

// ownDocuments lists the deployments that an owner may give a document.
func (s *site) ownDocuments(v *visit) error {
	id := v.r.PathValue("api")
	t, err := v.desk.Texts(v.ctx(), id, 0, "")
	if err != nil {
		return err
	}
	found, err := v.desk.OwnDocuments(v.ctx(), id)
	if err != nil {
		return err
	}
	page := ui.OwnDocuments{Items: each(found, v.documentView), Title: t.Title, Back: ui.Below(ui.APIsPath, id)}
	return v.render(ui.OwnDocumentsPage(v.inAPI(id, t.Title, "documents.title"), page))
}

// inDocument places a page about a deployment's document in the navigation of who looks at it.
func (v *visit) inDocument(d api.DeploymentDocument, title string) ui.Page {
	if d.Owned {
		path := ui.Below(ui.APIsPath, d.API)
		return v.in(ui.APIsPath, title, v.crumb("nav.apis", ui.APIsPath), ui.Link{Text: titled(d.Title, d.API), Href: path},
			ui.Link{Text: v.text.T("documents.title"), Href: ui.Below(path, "documents")})
	}
	return v.in(ui.GatewaysPath, title, v.crumb("nav.gateways", ui.GatewaysPath), ui.Link{Text: d.Gateway, Href: ui.Below(ui.GatewaysPath, d.Gateway)},
		ui.Link{Text: v.text.T("documents.title"), Href: ui.Below(ui.GatewaysPath, d.Gateway, "documents")})
}

func (s *site) deploymentDocument(v *visit) error { return v.renderDocument(http.StatusOK, ui.Form{}) }

func (v *visit) renderDocument(status int, form ui.Form) error {
	d, err := v.desk.DeploymentDocument(v.ctx(), v.r.PathValue("deployment"))
	if err != nil {
		return err
	}
	shown := v.documentView(d)
	shown.Form = form
	return v.renderAs(status, ui.DeploymentDocumentPage(v.inDocument(d, v.text.T("document.of", "Title", d.Title)), shown))
}

// originalDocument hands out a document as it was published.
func (s *site) originalDocument(v *visit) error {
	id := v.r.PathValue("deployment")
	d, err := v.desk.OriginalDocument(v.ctx(), id)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", d.ContentType)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fileName(id, "", "", d.Ending())))
	_, _ = v.w.Write(d.Content) // the reader is gone: nobody is left to tell
	return nil
}

func (s *site) uploadDocument(v *visit) error {
	id := v.r.PathValue("deployment")
	if _, err := v.desk.DeploymentDocument(v.ctx(), id); err != nil { // before many bytes are read
		return err
	}
	content, err := v.file("document")
	if err != nil {
		return err
	}
	d, err := v.desk.UploadDocument(v.ctx(), id, content)
	var form ui.Form
	if v.refused(&form, err) {
		if said, ours := v.unread(err.Error()); ours {
			form.Problem = ui.Say(said)
		}
		return v.renderDocument(http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.DeploymentsPath, d.Deployment, "document"), "document-uploaded")
}

// isUpload reports whether a form brings a file. Only who asks for the file reads it.
func isUpload(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data")
}

// file returns the content of a form's one file; none is empty.
func (v *visit) file(field string) ([]byte, error) {
	unreadable := fmt.Errorf("the form cannot be read: %w", portal.ErrInvalid)
	parts, err := v.r.MultipartReader()
	if err != nil {
		return nil, unreadable
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, unreadable
		}
		if part.FormName() != field {
			continue
		}
		content, err := io.ReadAll(part)
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, errTooLarge
		}
		if err != nil {
			return nil, unreadable
		}
		return content, nil
	}
}

func (s *site) askRemoveDocument(v *visit) error {
	d, err := v.desk.DeploymentDocument(v.ctx(), v.r.PathValue("deployment"))
	if err != nil {
		return err
	}
	section := ui.GatewaysPath
	if d.Owned {
		section = ui.APIsPath
	}
	return v.confirm(section, ui.Confirm{
		Title: v.text.T("remove_document.title", "Title", d.Title), Text: v.text.T("remove_document.text"),
		Points: []string{v.text.T("remove_document.point")},
		Action: ui.Below(ui.DeploymentsPath, d.Deployment, "document", "remove"), Button: v.text.T("remove_document.submit"), Danger: true,
		Back: ui.Below(ui.DeploymentsPath, d.Deployment, "document"),
	})
}

func (s *site) removeDocument(v *visit) error {
	d, err := v.desk.RemoveDocument(v.ctx(), v.r.PathValue("deployment"))
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.DeploymentsPath, d.Deployment, "document"), "document-removed")
}
