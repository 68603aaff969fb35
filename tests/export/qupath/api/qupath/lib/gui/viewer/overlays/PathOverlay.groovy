package qupath.lib.gui.viewer.overlays

interface PathOverlay {}
