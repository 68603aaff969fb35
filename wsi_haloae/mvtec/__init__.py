"""Labelled image sets, in MVTec AD's layout or in plain folders: read, checked, evaluated and drawn."""
