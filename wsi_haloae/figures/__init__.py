"""Pictures that have the same bytes on every run: how they are saved, and the frame that pictures of a slide share."""
