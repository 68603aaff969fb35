package qupath.lib.images.servers

interface ImageServer<T> {
    int getWidth()
    int getHeight()
    Collection<URI> getURIs()
    PixelCalibration getPixelCalibration()
}
