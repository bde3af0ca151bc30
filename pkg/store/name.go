package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxName is the longest object name in bytes that Object Storage accepts
// (https://docs.oracle.com/iaas/Content/Object/Tasks/managingobjects.htm).
const maxName = 1024

// CheckName returns an error that wraps ErrInvalid unless every store accepts
// name as the name of an object.
//
// A name is a relative path with slashes, of at most 1024 bytes, in valid UTF-8
// and without control characters and backslashes. None of its parts is empty or
// begins with a dot: this excludes "..", and leaves names with a dot to the
// stores' own files. No part is a name that [IsLitter] accepts.
func CheckName(name string) error {
	problem := ""
	switch {
	case name == "":
		problem = "it is empty"
	case len(name) > maxName:
		problem = fmt.Sprintf("it is longer than %d bytes", maxName)
	case !utf8.ValidString(name):
		problem = "it is not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }):
		problem = "it holds a control character or a backslash"
	default:
		for part := range strings.SplitSeq(name, "/") {
			if part == "" || part[0] == '.' {
				problem = "a part of it is empty or begins with a dot"
			} else if IsLitter(part) {
				problem = "a part of it is the name of a system's own file or folder"
			}
		}
	}
	if problem != "" {
		return fmt.Errorf("%w: object name %.80q: %s", ErrInvalid, name, problem)
	}
	return nil
}

// IsLitter reports whether a part of a name is that of a file or folder that a system
// keeps in the folders of others, such as lost+found. None of them belongs to an archive.
// A copy that a program made because two machines changed a file is no litter: it may
// hold lines that the file lacks.
func IsLitter(part string) bool {
	switch part {
	case "lost+found": // Linux, in the top folder of a disk
	case "System Volume Information", "$RECYCLE.BIN", "Thumbs.db", "desktop.ini": // Windows
	case ".DS_Store", "Icon\r", "Network Trash Folder", "Temporary Items": // macOS
	case ".directory": // KDE
	case "@eaDir", "#recycle", "#snapshot": // Synology
	case "@Recycle", "@Recently-Snapshot": // QNAP
	case ".stfolder", ".stversions", ".stignore": // Syncthing
	case ".sync", ".dropbox": // Resilio Sync, Dropbox
	default:
		return strings.HasPrefix(part, "._") // macOS, on other file systems
	}
	return true
}
