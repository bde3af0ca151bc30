package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// markdownLink is a link in a document: its text and its target.
var markdownLink = regexp.MustCompile(`\[([^\]\n]+)\]\(([^)\s]+)\)`)

// unlink replaces links in the documents of a folder by their texts, if they lead to files that
// the folder lacks. A release has all documents, but not the source that they describe.
func unlink(folder string) error {
	return eachDocument(folder, func(path, text string) error {
		changed := markdownLink.ReplaceAllStringFunc(text, func(link string) string {
			if m := markdownLink.FindStringSubmatch(link); dead(folder, path, m[2]) {
				return m[1]
			}
			return link
		})
		if changed == text {
			return nil
		}
		return os.WriteFile(path, []byte(changed), 0o644)
	})
}

// eachDocument calls do with the path and the text of each Markdown file of a folder.
func eachDocument(folder string, do func(path, text string) error) error {
	return filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return do(path, string(text))
	})
}

// dead reports whether the target of a link in a document leads to no file of the folder.
func dead(folder, document, target string) bool {
	target, _, _ = strings.Cut(target, "#")
	if target == "" || strings.Contains(target, "://") {
		return false
	}
	file := filepath.Join(filepath.Dir(document), target)
	if rel, err := filepath.Rel(folder, file); err != nil || !filepath.IsLocal(rel) {
		return true
	}
	_, err := os.Stat(file)
	return err != nil
}
