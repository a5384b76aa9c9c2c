/** Where there is nothing to show: what to do next. */
export const Lesson = ({ title, children }: { title: string; children: React.ReactNode }) => (
  <section className="lesson">
    <h2>{title}</h2>
    {children}
  </section>
)

export const Command = ({ children }: { children: string }) => <pre className="text">$ {children}</pre>
